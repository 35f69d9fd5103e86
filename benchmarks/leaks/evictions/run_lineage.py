"""A run points to the one before it, to tell what has changed; the history of a flow is cut to five runs, the pointers
are not. Seen in Airflow-like schedulers, linked snapshots and exception chains."""

from __future__ import annotations

import json
from typing import Any

from _data import churn, message, mix

KIND = "leak"
SPAN = "flow.run"
SITE = "collect"
HOLDER = "previous"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600


class Run:
    __slots__ = ("flow", "number", "previous", "result")

    def __init__(self, flow: str, number: int, result: dict[str, Any], previous: Run | None) -> None:
        self.flow = flow
        self.number = number
        self.result = result
        self.previous = previous

    def changed(self) -> list[str]:
        if self.previous is None:
            return list(self.result)
        before = self.previous.result
        return [key for key, value in self.result.items() if before.get(key) != value]


class History:
    KEEP = 5

    def __init__(self) -> None:
        self._runs: dict[str, list[Run]] = {}

    def last(self, flow: str) -> Run | None:
        runs = self._runs.get(flow)
        return runs[-1] if runs else None

    def add(self, run: Run) -> None:
        runs = self._runs.setdefault(run.flow, [])
        runs.append(run)
        del runs[: -self.KEEP]


class Orchestrator:
    def __init__(self) -> None:
        self.history = History()
        self.changes = 0

    def collect(self, raw: str) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(raw)["body"]
        return result

    def finish(self, flow: str, number: int, raw: str) -> Run:
        run = Run(flow, number, self.collect(raw), self.history.last(flow))
        self.changes += len(run.changed())
        self.history.add(run)
        return run


orchestrator: Orchestrator


def setup() -> None:
    global orchestrator
    orchestrator = Orchestrator()


def request(i: int, now: float) -> None:
    orchestrator.finish(f"flow-{mix(i) % 35}", i, message(i, 5200))
    churn(i)


def teardown() -> None:
    del globals()["orchestrator"]
