"""Scores: from alarms and the truth to figures. Pure: no clock, no process, no file."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.leaks.alarm import Alarm, is_function
from benchmarks.leaks.truth import Truth

# A `growing` that is said for so long (virtual seconds, in all) on what is bounded is half a false alarm.
SUSTAINED_S = 600.0
DAY_S = 86_400.0
RESAMPLES = 500
INTERVALS = ("recall", "precision", "false_alarms_per_day", "site_top1", "site_top3", "median_time_to_detect_s")


@dataclass(frozen=True)
class Run:
    """One scenario at one seed, and what one detector said."""

    name: str
    kind: str
    span: str
    site: str | None
    holder: str | None
    duration_s: float
    seed: int
    alarms: Sequence[Alarm]
    truth: Truth | None = None   # None where the scenario was not traced
    run_s: float = 0.0
    skipped: str = ""            # why
    failed: str = ""             # why


@dataclass(frozen=True)
class Score:
    """Of one run."""

    run: Run
    hit: bool
    false_alarms: float          # each verdict `leak` that is wrong, and a half for a sustained `growing`
    site_top1: bool
    site_top3: bool
    span_ok: bool
    holder_ok: bool
    time_to_detect_s: float | None
    leaked_bytes_at_detection: float | None

    def to_json(self) -> dict[str, Any]:
        run = self.run
        return {
            "name": run.name, "kind": run.kind, "seed": run.seed, "skipped": bool(run.skipped), "failed": bool(run.failed),
            "reason": run.skipped or run.failed,
            "verdicts": [
                {"kind": a.kind, "span_name": a.span_name, "site": a.site, "holder": a.holder, "at_s": a.at_s}
                for a in run.alarms
            ],
            "hit": self.hit, "false_alarm": self.false_alarms, "site_top1": self.site_top1, "site_top3": self.site_top3,
            "span_ok": self.span_ok, "holder_ok": self.holder_ok, "time_to_detect_s": self.time_to_detect_s,
            "leaked_bytes_at_detection": self.leaked_bytes_at_detection, "run_s": run.run_s,
        }


def is_alarm(run: Run, alarm: Alarm) -> bool:
    """Whether it says that there is a leak: `growing` does not, and native growth only where it may be all there is."""
    return alarm.kind not in ("growing", "native_growth") or (alarm.kind == "native_growth" and _is_native(run))


def _is_native(run: Run) -> bool:
    return run.truth is not None and run.truth.python_share < 0.5


def span_right(run: Run, alarm: Alarm) -> bool:
    """The scenario's own spans inside the driver's count by their local root."""
    return run.span in (alarm.span_name, alarm.root_name)


def site_right(run: Run, alarm: Alarm) -> bool:
    """Where the driver itself allocates (SITE is None) the span's name and the holder decide, as far as they are known."""
    if run.site is not None:
        return is_function(alarm.scenario_site, run.site)
    return span_right(run, alarm) and holder_right(run, alarm)


def holder_right(run: Run, alarm: Alarm) -> bool:
    return run.holder is None or (alarm.holder is not None and run.holder in alarm.holder)


def is_hit(run: Run, alarm: Alarm) -> bool:
    """Right in a leak: it says so after the first byte leaked, and does not name only the innocent.

    Kept spans are a hit where the truth knows of such; without the truth, where SITE is None.
    """
    if run.kind != "leak" or not is_alarm(run, alarm) or is_false(run, alarm):
        return False
    if alarm.kind in ("retained_spans", "unended_spans"):
        if run.truth is None:
            return run.site is None
        return bool(run.truth.retained if alarm.kind == "retained_spans" else run.truth.unended)
    return True


def is_false(run: Run, alarm: Alarm) -> bool:
    """A false alarm: any in what is not a leak; in a leak, one before there is any, or one that accuses the innocent."""
    if not is_alarm(run, alarm):
        return False
    if run.kind != "leak":
        return True
    if run.truth is not None and alarm.at_s < run.truth.onset_s:
        return True
    accuses = alarm.span_name is not None or (alarm.scenario_site is not None and run.site is not None)
    if not accuses:   # no name, or nothing but a line of a library, which may well be where the leak's bytes come from
        return False
    kept: frozenset[str] = frozenset()
    if run.truth is not None and alarm.kind in ("retained_spans", "unended_spans"):
        kept = run.truth.retained if alarm.kind == "retained_spans" else run.truth.unended
    named_right = alarm.span_name in kept or span_right(run, alarm)
    return not named_right and not (run.site is not None and is_function(alarm.scenario_site, run.site))


def score(run: Run) -> Score:
    """One run's. Verdicts that say leak, in their order, are the top 1 and the top 3."""
    if run.skipped or run.failed:
        return Score(run, False, 0.0, False, False, False, False, None, None)
    false_alarms = float(sum(is_false(run, alarm) for alarm in run.alarms))
    growing = [alarm for alarm in run.alarms if alarm.kind == "growing"]
    if run.kind == "bounded" and sum(alarm.active_s for alarm in growing) >= SUSTAINED_S:
        false_alarms += 0.5
    if run.kind == "growing_bound_unknown":
        return Score(run, bool(growing) and not false_alarms, false_alarms, False, False, False, False, None, None)
    hits = [alarm for alarm in run.alarms if is_hit(run, alarm)]
    if not hits:
        return Score(run, False, false_alarms, False, False, False, False, None, None)
    said = [alarm for alarm in run.alarms if is_alarm(run, alarm)]
    top = said[:3]
    named = next((alarm for alarm in top if site_right(run, alarm)), hits[0])
    at = hits[0].at_s
    truth = run.truth
    return Score(
        run, True, false_alarms, site_top1=site_right(run, said[0]), site_top3=any(site_right(run, alarm) for alarm in top),
        span_ok=span_right(run, named), holder_ok=holder_right(run, named),
        time_to_detect_s=None if truth is None else at - truth.onset_s,
        leaked_bytes_at_detection=None if truth is None else round(truth.leaked_at(at)),
    )


def totals(scores: Sequence[Score]) -> dict[str, Any]:
    """Over all runs that were not skipped. Shares are of all leaks, found or not; a failed leak counts as missed.

    Precision counts runs, not verdicts: one that is wrong ten times in one bounded scenario is wrong once there, and ten
    times in the false alarms of a day. None where nothing can be said.
    """
    counted = [one for one in scores if not one.run.skipped]
    leaks = [one for one in counted if one.run.kind == "leak"]
    hits = sum(one.hit for one in leaks)
    wrong = sum(min(1.0, one.false_alarms) for one in counted)
    days = sum(one.run.duration_s for one in counted if not one.run.failed) / DAY_S
    holders = [one for one in leaks if one.run.holder is not None]
    return {
        "leaks": len(leaks),
        "recall": _share(hits, len(leaks)),
        "precision": _share(hits, hits + wrong),
        "false_alarms_per_day": sum(one.false_alarms for one in counted) / days if days else None,
        "site_top1": _share(sum(one.site_top1 for one in leaks), len(leaks)),
        "site_top3": _share(sum(one.site_top3 for one in leaks), len(leaks)),
        "span_ok": _share(sum(one.span_ok for one in leaks), len(leaks)),
        "holder_ok": _share(sum(one.holder_ok for one in holders), len(holders)),
        "median_time_to_detect_s": _median([one.time_to_detect_s for one in leaks]),
    }


def details(scores: Sequence[Score]) -> dict[str, Any]:
    """What goes beyond the contract's totals: of bytes, of caches whose bound is unknown, and 95 % intervals."""
    counted = [one for one in scores if not one.run.skipped]
    unknown = [one for one in counted if one.run.kind == "growing_bound_unknown"]
    return {
        "runs": len(counted), "skipped": len(scores) - len(counted), "failed": sum(bool(one.run.failed) for one in counted),
        "false_alarms": sum(one.false_alarms for one in counted),
        "unknown_right": _share(sum(one.hit for one in unknown), len(unknown)),
        "median_leaked_bytes_at_detection": _median([one.leaked_bytes_at_detection for one in counted]),
        "intervals": intervals(counted),
    }


def intervals(scores: Sequence[Score]) -> dict[str, list[float] | None]:
    """95 % intervals, by drawing scenarios with replacement, each with all its seeds: these are not independent."""
    by_name: dict[str, list[Score]] = {}
    for one in scores:
        by_name.setdefault(one.run.name, []).append(one)
    groups = list(by_name.values())
    values: dict[str, list[float]] = {key: [] for key in INTERVALS}
    rng = random.Random(1)
    for _ in range(RESAMPLES if len(groups) > 1 else 0):
        sample = totals([one for group in rng.choices(groups, k=len(groups)) for one in group])
        for key, of_key in values.items():
            if sample[key] is not None:
                of_key.append(sample[key])
    return {key: _middle(sorted(of_key)) for key, of_key in values.items()}


def _middle(values: Sequence[float]) -> list[float] | None:
    last = len(values) - 1
    return [values[math.floor(0.025 * last)], values[math.ceil(0.975 * last)]] if values else None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
