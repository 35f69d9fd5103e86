"""A logger with a handler and a buffer of its own per import job: logging keeps every logger by its name, for ever."""

from __future__ import annotations

import io
import logging

from _shop import work

KIND = "leak"
SPAN = "POST /imports"
SITE = "run_import"
HOLDER = "loggerDict"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600


def run_import(i: int) -> str:
    log = logging.getLogger(f"imports.job-{i}")
    log.propagate = False
    stream = io.StringIO()
    log.addHandler(logging.StreamHandler(stream))
    for line in range(4):
        log.warning("row %d of job %d was %s", line, i, "skipped".ljust(200, "."))
    return stream.getvalue()


def setup() -> None:
    logging.raiseExceptions = False


def request(i: int, now: float) -> None:
    if i % 2 == 0:
        run_import(i)
    work(i)


def teardown() -> None:
    logging.Logger.manager.loggerDict.clear()
