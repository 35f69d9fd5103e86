"""Hand-made runs and verdicts."""

from __future__ import annotations

from typing import Any

from benchmarks.leaks.alarm import Alarm
from benchmarks.leaks.score import Run
from benchmarks.leaks.truth import Truth

HOUR = 3600.0


def alarm(kind: str = "leak", at: float = 900.0, **values: Any) -> Alarm:
    """By default one that is right in every way about a run of leak()."""
    defaults: dict[str, Any] = {
        "span_name": "GET /orders", "root_name": "GET /orders", "site": ["ljust", "remember"], "scenario_site": "remember",
        "holder": "module shop -> finished -> dict", "until_s": at, "active_s": 0.0,
    }
    return Alarm(kind=kind, at_s=at, **{**defaults, **values})


def elsewhere(kind: str = "leak", at: float = 900.0) -> Alarm:
    """One that accuses only what is innocent."""
    span = {"span_name": "GET /health", "root_name": "GET /health"}
    return alarm(kind, at, **span, site=["ping"], scenario_site="ping", holder="module health")


def run(kind: str, *alarms: Alarm, **values: Any) -> Run:
    """A run of an hour, of a scenario whose span is GET /orders."""
    defaults: dict[str, Any] = {
        "name": "of_a_test", "span": "GET /orders", "site": None, "holder": None, "duration_s": HOUR, "seed": 1,
        "truth": steady_leak(),
    }
    return Run(kind=kind, alarms=alarms, **{**defaults, **values})


def leak(*alarms: Alarm, **values: Any) -> Run:
    """A leak at remember(), held by `finished`."""
    return run("leak", *alarms, **{"site": "remember", "holder": "finished", **values})


def steady_leak(onset: float = 0.0, **values: Any) -> Truth:
    """1 MiB a minute from the onset on, in an hour."""
    times = [10.0 * i for i in range(361)]
    return Truth(times, [30e6 + max(0.0, t - onset) * 2**20 / 60 for t in times], **values)
