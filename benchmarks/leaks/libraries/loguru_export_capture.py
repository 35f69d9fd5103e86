"""An export captures its own log with a loguru handler on a StringIO, and the early return for an empty export skips the
removal of the handler; seen as "loguru gets slower and slower".
"""

from __future__ import annotations

import io
import random

from loguru import logger

KIND = "leak"
SPAN = "POST /exports"
ENDPOINTS = [("POST /exports", 1), ("GET /exports", 3)]
SITE = "run_export"
HOLDER = "handlers"
REQUIRES = ["loguru==0.7.3"]
REQUESTS_PER_SECOND = 2
DURATION_S = 1800

_rng = random.Random(41)


def setup():
    logger.remove()


def plan(rows):
    return _rng.randbytes(rows * 16).hex("\n", 16)


def run_export(number):
    captured = io.StringIO()
    handler = logger.add(
        captured, format="{time} {level} {message}", filter=lambda record: record["extra"].get("export") == number
    )
    job = logger.bind(export=number)
    job.info("plan of export {}:\n{}", number, plan(_rng.randrange(1_000, 3_600)))
    matching = _rng.choices((0, 1_200), weights=(1, 4))[0]
    if matching == 0:
        job.warning("nothing to export")
        return {"export": number, "rows": 0}
    job.info("exported {} rows", matching)
    logger.remove(handler)
    return {"export": number, "rows": matching, "log": len(captured.getvalue())}


def list_exports(page):
    entries = [{"export": page * 20 + n, "state": "done", "rows": _rng.randrange(2_000)} for n in range(20)]
    logger.debug("page {} of the exports: {} entries", page, len(entries))
    return entries


def request(i, now, endpoint):
    return run_export(i) if endpoint == "POST /exports" else list_exports(i % 30)


def teardown():
    logger.remove()
