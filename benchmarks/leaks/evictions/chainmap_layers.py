"""Settings of a tenant are layers of a ChainMap; a job pushes its overrides and takes them off again with `.parents`,
whose result nobody assigns. The history beside it, of the same overrides, is trimmed as it should be."""

from __future__ import annotations

from collections import ChainMap, deque

from _data import churn, mix, text

KIND = "leak"
SPAN = "etl.run"
SITE = "overrides_of"
HOLDER = "maps"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

DEFAULTS = {"batch": "500", "compression": "zstd", "retries": "3"}


def overrides_of(job: int) -> dict[str, str]:
    return {"job": str(job), "batch": str(100 + job % 9), "query": text(job, 3000), "schema": text(job + 1, 2500)}


class Settings:
    def __init__(self) -> None:
        self._tenants: dict[str, ChainMap[str, str]] = {}
        self.history: deque[tuple[str, dict[str, str]]] = deque(maxlen=100)

    def of(self, tenant: str) -> ChainMap[str, str]:
        found = self._tenants.get(tenant)
        if found is None:
            found = self._tenants[tenant] = ChainMap({"tenant": tenant}, DEFAULTS)
        return found

    def push(self, tenant: str, overrides: dict[str, str]) -> None:
        self._tenants[tenant] = self.of(tenant).new_child(overrides)
        self.history.append((tenant, overrides))

    def pop(self, tenant: str) -> None:
        self._tenants[tenant].parents  # noqa: B018


class Etl:
    def __init__(self) -> None:
        self.settings = Settings()
        self.rows = 0

    def run(self, tenant: str, job: int) -> None:
        self.settings.push(tenant, overrides_of(job))
        try:
            settings = self.settings.of(tenant)
            self.rows += int(settings["batch"]) * len(settings["compression"])
        finally:
            self.settings.pop(tenant)


etl: Etl


def setup() -> None:
    global etl
    etl = Etl()


def request(i: int, now: float) -> None:
    etl.run(f"t{mix(i) % 300}", i)
    churn(i)


def teardown() -> None:
    del globals()["etl"]
