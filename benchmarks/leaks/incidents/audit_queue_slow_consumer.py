"""Audit records go through an unbounded asyncio.Queue to one consumer that writes three a second; six come in.

Every record is written in the end, only later and later. Seen in every service whose audit database got slow.
"""

from __future__ import annotations

import asyncio
from typing import Any

from _svc import crunch, page

KIND = "leak"
SPAN = "PATCH /account"
SITE = "audit_record"
HOLDER = "records"
REQUESTS_PER_SECOND = 6
DURATION_S = 3000


def audit_record(i: int, now: float) -> dict[str, Any]:
    return {"at": now, "actor": f"user-{i % 977}", "before": page(i, 5000), "after": page(i + 1, 7000)}


class AuditTrail:
    def __init__(self) -> None:
        self.records: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.written = 0

    async def write_forever(self) -> None:
        while True:
            record = await self.records.get()
            await asyncio.sleep(0.33)
            self.written += len(record)
            del record


trail: AuditTrail
writer: asyncio.Task[None]


async def setup() -> None:
    global trail, writer
    trail = AuditTrail()
    writer = asyncio.create_task(trail.write_forever())


async def request(i: int, now: float) -> None:
    crunch(i)
    await asyncio.sleep(0.01)
    trail.records.put_nowait(audit_record(i, now))


def teardown() -> None:
    writer.cancel()
