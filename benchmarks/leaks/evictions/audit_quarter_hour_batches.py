"""Audit events are collected for a quarter of an hour and archived in one object: a saw with long teeth, in two
buffers, for the archive is written while the next is collected."""

from __future__ import annotations

import json
from typing import Any

from _kit import answer, mixed, order_json

KIND = "bounded"
SPAN = "POST /documents"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 10
DURATION_S = 4500

BATCH_S = 900.0


class Archive:
    """Takes what it is given in parts, one a request, as a background writer would."""

    def __init__(self) -> None:
        self._uploading: list[dict[str, Any]] = []
        self.uploaded = 0

    def begin(self, batch: list[dict[str, Any]]) -> None:
        self._uploading.extend(batch)
        self._uploading.reverse()

    def step(self, events: int = 6) -> None:
        for _ in range(min(events, len(self._uploading))):
            self.uploaded += len(self._uploading.pop()["actor"])


class AuditLog:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._batch: list[dict[str, Any]] = []
        self._since = 0.0

    def record(self, actor: str, action: str, i: int, now: float) -> None:
        event = json.loads(order_json(i, 5))
        event.update(actor=actor, action=action, at=now)
        self._batch.append(event)

    def rotate(self, now: float) -> None:
        if now - self._since >= BATCH_S:
            batch, self._batch = self._batch, []
            self._since = now
            self._archive.begin(batch)


archive: Archive
log: AuditLog


def setup() -> None:
    global archive, log
    archive = Archive()
    log = AuditLog(archive)


def request(i: int, now: float) -> None:
    log.record(f"user-{mixed(i, 1) % 900}", ("create", "share", "delete")[i % 3], i, now)
    log.rotate(now)
    archive.step()
    answer(i)


def teardown() -> None:
    pass
