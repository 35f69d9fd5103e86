"""The scores as a table to read and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.leaks.frozen import HALVES, half_of
from benchmarks.leaks.score import Score, details, totals

Scores = Mapping[str, Sequence[Score]]   # by detector; `spanheap` is ours, the others are baselines

_COLUMNS = (
    ("recall", "recall", "share"), ("precision", "precision", "share"), ("false_alarms_per_day", "alarms/d", "number"),
    ("site_top1", "site 1", "share"), ("site_top3", "site 3", "share"), ("span_ok", "span", "share"),
    ("holder_ok", "holder", "share"), ("median_time_to_detect_s", "found in", "minutes"),
)


def as_json(scores: Scores, *, detector: bool, seeds: int) -> dict[str, Any]:
    """The contract's JSON, and beside it: halves, intervals, and whether there was a detector to score."""
    ours = scores["spanheap"]
    baselines = {name: of for name, of in scores.items() if name != "spanheap"}
    return {
        "scenarios": [one.to_json() | {"half": half_of(one.run.name)} for one in ours],
        "totals": totals(ours),
        "baselines": {name: totals(of) for name, of in baselines.items()},
        "details": details(ours),
        "baseline_details": {name: details(of) for name, of in baselines.items()},
        "halves": {
            half: {name: totals(_half(of, half)) for name, of in scores.items()} for half in HALVES
        },
        "detector": detector,
        "seeds": seeds,
    }


def as_table(scores: Scores, *, detector: bool) -> str:
    """One line a scenario, then the totals of each detector: all, and by half."""
    lines = []
    if not detector:
        lines += ["NO DETECTOR: this spanheap has no Session.leaks(), so it finds nothing; the baselines are real.", ""]
    lines += [_scenario_head(), *(_scenario_line(name, of) for name, of in _by_name(scores["spanheap"]).items()), ""]
    lines.append(f"{'':38}{'leaks':>6}" + "".join(f"{head:>11}" for _, head, _ in _COLUMNS))
    for name, of in scores.items():
        for half in ("all", *HALVES):
            chosen = of if half == "all" else _half(of, half)
            if chosen and not (half != "all" and len(chosen) == len(of)):
                lines.append(_totals_line(name, half, chosen))
    found = details(scores["spanheap"])["intervals"]
    lines += ["", "95 % intervals of spanheap, all: " + ", ".join(
        f"{head} {_shown(found[key][0], unit)} to {_shown(found[key][1], unit)}"
        for key, head, unit in _COLUMNS if found.get(key)
    )]
    for one in scores["spanheap"]:
        if one.run.skipped or one.run.failed:
            what = "SKIPPED" if one.run.skipped else "FAILED"
            lines.append(f"{what} {one.run.name} (seed {one.run.seed}): {one.run.skipped or one.run.failed}")
    return "\n".join(lines)


def _half(scores: Sequence[Score], half: str) -> list[Score]:
    return [one for one in scores if half_of(one.run.name) == half]


def _by_name(scores: Sequence[Score]) -> dict[str, list[Score]]:
    names: dict[str, list[Score]] = {}
    for one in sorted(scores, key=lambda one: (one.run.kind != "leak", one.run.kind, one.run.name)):
        names.setdefault(one.run.name, []).append(one)
    return names


def _scenario_head() -> str:
    narrow = "".join(f"{head:>7}" for head in ("hit", "false", "site 1", "site 3", "span", "holder"))
    return f"{'scenario':34}{'kind':9}{'half':9}{narrow}{'found in':>10}{'leaked':>10}"


def _scenario_line(name: str, of: Sequence[Score]) -> str:
    run = of[0].run
    start = f"{name:34}{run.kind.split('_')[0]:9}{half_of(name):9}"
    if all(one.run.skipped for one in of):
        return start + "  skipped"
    n = len(of)

    def count(field: str, applies: bool = True) -> str:
        return f"{sum(getattr(one, field) for one in of)}/{n}" if applies else "-"

    leak = run.kind == "leak"
    totals_of = totals(of)
    leaked = details_bytes(of)
    return start + "".join(f"{text:>7}" for text in (
        count("hit", run.kind != "bounded"), f"{sum(one.false_alarms for one in of):g}", count("site_top1", leak),
        count("site_top3", leak), count("span_ok", leak), count("holder_ok", leak and run.holder is not None),
    )) + f"{_shown(totals_of['median_time_to_detect_s'], 'minutes'):>10}{leaked:>10}" + (
        "  FAILED" if any(one.run.failed for one in of) else ""
    )


def details_bytes(of: Sequence[Score]) -> str:
    known = sorted(one.leaked_bytes_at_detection for one in of if one.leaked_bytes_at_detection is not None)
    return f"{known[len(known) // 2] / 2**20:.1f} MiB" if known else "-"


def _totals_line(name: str, half: str, scores: Sequence[Score]) -> str:
    figures = totals(scores)
    cells = "".join(f"{_shown(figures[key], unit):>11}" for key, _, unit in _COLUMNS)
    return f"{name:26}{half:12}{figures['leaks']:>6}{cells}"


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "share":
        return f"{value:.1%}"
    return f"{value / 60:.1f} min" if unit == "minutes" else f"{value:.2f}"
