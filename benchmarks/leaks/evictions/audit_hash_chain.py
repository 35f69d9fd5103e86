"""The audit trail keeps the last 2000 records in a deque; each record refers to the one before, for its digest, and so
to all there ever were."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from typing import Any

from _kit import answer, chance, mixed, order_json

KIND = "leak"
SPAN = "PUT /settings"
SITE = "AuditTrail.append"
HOLDER = "previous"
REQUESTS_PER_SECOND = 11
DURATION_S = 3600


class AuditRecord:
    __slots__ = ("_digest", "actor", "change", "number", "previous")

    def __init__(self, number: int, actor: str, change: str, previous: AuditRecord | None) -> None:
        self.number = number
        self.actor = actor
        self.change = change
        self.previous = previous
        self._digest = ""

    @property
    def digest(self) -> str:
        if not self._digest:
            before = self.previous.digest if self.previous is not None else "genesis"
            self._digest = hashlib.sha256(f"{before}|{self.actor}|{self.change}".encode()).hexdigest()
        return self._digest


class AuditTrail:
    """A tamper-evident trail, of which the last records can be asked for."""

    def __init__(self, keep: int = 2000) -> None:
        self._recent: deque[AuditRecord] = deque(maxlen=keep)
        self.written = 0

    def append(self, actor: str, before: dict[str, Any], after: dict[str, Any]) -> AuditRecord:
        change = json.dumps({"before": before, "after": after})
        previous = self._recent[-1] if self._recent else None
        record = AuditRecord(self.written, actor, change, previous)
        self._recent.append(record)
        self.written += 1
        return record

    def of(self, actor: str, limit: int) -> list[str]:
        found = []
        for record in reversed(self._recent):
            if record.actor == actor:
                found.append(record.digest)
                if len(found) == limit:
                    break
        return found


class SettingsApi:
    def __init__(self) -> None:
        self.audit = AuditTrail()

    def put(self, i: int) -> str:
        before = json.loads(order_json(i, 9))
        after = {"id": before["id"], "lines": before["lines"][:3]}
        return self.audit.append(f"admin-{mixed(i, 1) % 12}", before, after).digest


api: SettingsApi


def setup() -> None:
    global api
    api = SettingsApi()


def request(i: int, now: float) -> None:
    api.put(i)
    if chance(i, 2, 0.02):
        api.audit.of(f"admin-{i % 12}", 20)
    answer(i)


def teardown() -> None:
    pass
