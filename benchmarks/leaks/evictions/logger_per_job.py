"""Every job has a logger of its own name. Its handler is taken off at the end; the logger, and the filter that knows
the job's manifest, stay in the manager's loggerDict. Seen in Airflow-like runners."""

from __future__ import annotations

import json
import logging
from logging.handlers import MemoryHandler
from typing import Any

from _data import churn, message

KIND = "leak"
SPAN = "runner.job"
SITE = "load_manifest"
HOLDER = "loggerDict"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600


class ManifestFilter(logging.Filter):
    """Puts the job's number and queue on each record, and drops what the manifest says nobody reads."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        super().__init__()
        self.manifest = manifest

    def filter(self, record: logging.LogRecord) -> bool:
        record.job = self.manifest["id"]
        record.queue = self.manifest["queue"]
        return record.levelno >= logging.INFO


class Archive(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.written += len(self.format(record))


class Runner:
    def __init__(self) -> None:
        self.archive = Archive()
        base = logging.getLogger("runner_jobs")
        base.propagate = False
        base.setLevel(logging.INFO)

    def load_manifest(self, raw: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(raw)
        return manifest

    def run(self, raw: str) -> None:
        manifest = self.load_manifest(raw)
        log = logging.getLogger(f"runner_jobs.{manifest['id']}")
        log.addFilter(ManifestFilter(manifest))
        handler = MemoryHandler(50, target=self.archive, flushOnClose=True)
        log.addHandler(handler)
        try:
            log.info("%s: done with %d fields", manifest["queue"], len(manifest["body"]))
        finally:
            log.removeHandler(handler)
            handler.close()


runner: Runner


def setup() -> None:
    global runner
    runner = Runner()


def request(i: int, now: float) -> None:
    runner.run(message(i, 4800, fields=3, queue=f"q{i % 5}"))
    churn(i)


def teardown() -> None:
    loggers = logging.Logger.manager.loggerDict
    for name in [name for name in loggers if name.startswith("runner_jobs")]:
        del loggers[name]
    del globals()["runner"]
