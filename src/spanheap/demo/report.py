"""What the demo prints, in a terminal of 100 columns. Every figure comes from the results of this run."""

from __future__ import annotations

import json
import linecache
import os.path
import pathlib
import shlex
from typing import Any

from spanheap.demo.terminal import COLUMNS, Terminal, quantity

# What the story says of its fleet, in GB an hour. Quoted beside our figures, never mixed with them.
STORY_BEFORE = 12.0
STORY_AFTER = 0.2

PLACE_WIDTH = COLUMNS - 20   # the share and its error stand before it


def print_opening(
    terminal: Terminal, service: pathlib.Path, seconds: float, interval: int, default_interval: int
) -> None:
    terminal.heading("spanheap demo: which request is holding my memory?")
    terminal.print(f"  One handler of {service} keeps all its ended spans. {seconds:g} s of HTTP load on it.")
    terminal.print(f"  Sampled every {quantity(interval)} on average; the default, for days of running, is "
                   f"{quantity(default_interval)}.")
    terminal.print()


def print_findings(terminal: Terminal, run: dict[str, Any]) -> None:
    growth = run["growth"]
    terminal.print()
    terminal.heading(f"Where the growth of {growth['seconds']:.1f} s was allocated, by line")
    if growth["growth"] <= 0:
        terminal.print("  Nothing grew.")
        return
    first, *others = growth["lines"]
    per_hour = first["growth"] / growth["seconds"] * 3600
    source = linecache.getline(first["filename"], first["line"]).strip()
    live = f"{quantity(first['live_bytes'])} of {quantity(growth['live_bytes'])} in all"
    terminal.print(f"  {share(first)}  {terminal.bold(place(first))}")
    terminal.print(f"    {shorten(source, COLUMNS - 4)}")
    terminal.print(f"    for span     {first['span_names'][0]}")
    terminal.print(f"    growth       {amount(first)}, or {quantity(per_hour)} an hour")
    terminal.print(f"    live         {live}")
    terminal.print(f"    evidence     {first['samples']:,} samples")
    for line in filter(significant, others):
        terminal.print(f"  {share(line)}  {place(line)}")
    terminal.print()
    print_ranking(terminal, "By endpoint (root span)", growth["endpoints"])
    print_ranking(terminal, "By span", growth["spans"])
    terminal.heading("By trace, the largest")
    for trace in growth["traces"]:
        terminal.print(f"  {trace['trace_id']}  {quantity(trace['growth']):>10}  {trace['span_names'][0]}")
    terminal.print()
    print_dump(terminal, run["dump"])


def print_ranking(terminal: Terminal, title: str, rows: list[dict[str, Any]]) -> None:
    terminal.heading(title)
    for row in filter(significant, rows):
        terminal.print(f"  {share(row)}  {quantity(row['growth']):>10}  {row['name']}")
    terminal.print()


def print_dump(terminal: Terminal, dump: dict[str, Any]) -> None:
    path = shlex.quote(dump["path"])
    code = f"import spanheap; print(spanheap.open_dump({json.dumps(dump['path'])}))"
    terminal.heading(f"The dump, {quantity(dump['bytes'])}, and how to open it")
    terminal.print(f"  {dump['path']}")
    terminal.print(f"  go tool pprof -http=: {path}")
    terminal.print(f"  go tool pprof -top -sample_index=inuse_space {path}")
    terminal.print(f"  python -c {shlex.quote(code)}")
    terminal.print()


def print_comparison(terminal: Terminal, leaky: dict[str, Any], fixed: dict[str, Any]) -> None:
    """Growth itself has no change beside it: the two runs differ in length."""
    before, after = leaky["growth"], fixed["growth"]
    rows = [
        ("measured for", f"{before['seconds']:.1f} s", f"{after['seconds']:.1f} s", ""),
        ("RSS growth", quantity(before["rss_growth"]), quantity(after["rss_growth"]), ""),
        ("live growth", amount(before), amount(after), ""),
        *(
            (label, quantity(leaky[key]), quantity(fixed[key]), change(leaky[key], fixed[key]))
            for label, key in (
                ("live growth, extrapolated to an hour", "growth_per_hour"),
                ("live growth per 1,000 requests", "growth_per_1000_requests"),
            )
        ),
        ("requests/s", f"{leaky['requests_per_s']:,.0f}", f"{fixed['requests_per_s']:,.0f}",
         change(leaky["requests_per_s"], fixed["requests_per_s"])),
        ("dump size", quantity(leaky["dump"]["bytes"]), quantity(fixed["dump"]["bytes"]),
         change(leaky["dump"]["bytes"], fixed["dump"]["bytes"])),
    ]
    terminal.print()
    terminal.heading(f"{'Before and after':38}{'ended spans kept':>22}{'metadata only':>22}{'change':>12}")
    for label, left, right, difference in rows:
        terminal.print(f"  {label:36}{left:>22}{right:>22}{difference:>12}".rstrip())
    terminal.print(f"  The story: {STORY_BEFORE:g} GB an hour before, {STORY_AFTER:g} GB after "
                   f"({change(STORY_BEFORE, STORY_AFTER)}), for a fleet; this is one process.")
    terminal.print()


def print_verdict(terminal: Terminal, verdict: dict[str, Any]) -> None:
    planted, found = verdict["planted"], verdict["found"]
    if verdict["matches"]:
        terminal.heading(
            f"Found what was planted: {found['endpoint']}, line {found['line']} in {found['function']}.")
        terminal.print("  The analysis does not know what was planted; only the exit status compares them.")
        return
    terminal.heading("What was planted does not lead the ranking: exit status 1.")
    terminal.print(f"  planted:      {planted}")
    terminal.print(f"  grew most:    {found}")


def place(line: dict[str, Any]) -> str:
    """As short a path as names the file from here; of what is too long for the line, the end."""
    path = min(os.path.relpath(line["filename"]), line["filename"], key=len)
    text = f"{path}:{line['line']} {line['function']}"
    return text if len(text) <= PLACE_WIDTH else "…" + text[1 - PLACE_WIDTH:]


def significant(row: dict[str, Any]) -> bool:
    """Grown by more than chance explains: two standard errors."""
    return bool(row["growth"] > 2 * row["growth_error"])


def amount(row: dict[str, Any]) -> str:
    return f"{quantity(row['growth'])} ± {quantity(row['growth_error'])}"


def share(row: dict[str, Any]) -> str:
    return "" if row["share"] is None else f"{row['share']:7.1%} ± {row['share_error']:5.1%}"


def change(before: float, after: float) -> str:
    if before <= 0:
        return ""
    return "no growth" if after <= 0 else f"{after / before - 1:+.1%}"


def shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
