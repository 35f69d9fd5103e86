"""A recording as text for people, and as a document for programs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from spanheap.recorder.death import Death, growth
from spanheap.recorder.recording import ActiveSpan, EndedSpan, Point, Recording, Site, SpanUsage, printable
from spanheap.snapshot.application import application_frame

ROWS = 10          # of each list
CURVE_ROWS = 16    # of the memory curve, of which the last
LAST_POINTS = 5    # are the last points, one after the other
_BAR = 20


def text(recording: Recording, death: Death) -> str:
    """What `spanheap recover` prints."""
    parts = (_head, _curve, _active, _sites, _spans, _ended, _left_out)
    return "\n".join(line for part in parts for line in part(recording, death))


def document(recording: Recording, death: Death) -> dict[str, Any]:
    """What `spanheap recover --json` prints: everything, in names and units that stay. Times: seconds since the epoch."""
    return {
        "format": "spanheap.recording/1",
        "path": recording.path,
        "death": {"kind": death.kind.value, "text": death.text, "time": death.time},
        "identity": recording.identity._asdict(),
        "ends": [{"kind": ("clean", "exception", "signal", "reported")[end.kind], "code": end.code, "time": end.time,
                  "text": end.text} for end in recording.ends.values()],
        "curve": [point._asdict() for point in recording.points],
        "active_spans": [span._asdict() | {"age": max(0.0, death.time - span.start)} for span in recording.active],
        "sites_time": recording.sites_time,
        "live": {"bytes": recording.live_bytes, "objects": recording.live_objects, "samples": recording.live_samples,
                 "sample_interval": recording.interval},
        "sites": [_site_document(site) for site in recording.sites],
        "spans": [span._asdict() for span in recording.spans],
        "ended_spans": [span._asdict() for span in recording.ended],
        "ended_counts": recording.counts._asdict(),
        "damaged": dict(recording.damaged),
        "missing_bytes": recording.missing_bytes,
    }


def _site_document(site: Site) -> dict[str, Any]:
    frame = application_frame(site.stack)
    return site._asdict() | {
        "stack": [frame._asdict() for frame in site.stack],
        "spans": [{"name": span.name, "root_name": span.root_name, "live_bytes": span.live_bytes, "samples": span.samples}
                  for span in site.spans],
        "application_frame": frame._asdict() if frame else None,
    }


# ---------------------------------------------------------------- parts


def _head(recording: Recording, death: Death) -> Iterator[str]:
    who = recording.identity
    service = f", service {printable(who.service)}" if who.service else ""
    yield f"{printable(who.program) or 'a process'} (pid {who.pid}{service}) {death.text}"
    yield f"  recorded   {_date(who.started)} to {_date(death.time)}, {_duration(death.time - who.started)}"
    yield (f"  by         spanheap {printable(who.spanheap)}, Python {printable(who.python)}, "
           f"one sample in {_size(who.sample_interval)}")


def _curve(recording: Recording, death: Death) -> Iterator[str]:
    points = recording.points
    if not points:
        yield from ("", "Memory: no point was recorded")
        return
    rate = growth(points)
    yield ""
    yield f"Memory ({len(points):,} points, {rate * 60 / 2**20:+,.1f} MiB a minute)"
    yield f"  {'before the end':>14} {'resident':>10} {'live':>10} {'spans':>6}   of the limit"
    most = max(max(point.resident_bytes, point.limit_bytes) for point in points) or 1
    for point in _chosen(points):
        used = point.used_bytes / point.limit_bytes if point.limit_bytes else point.resident_bytes / most
        filled = round(_BAR * min(1.0, used))
        share = f"{point.share:4.0%} of {_size(point.limit_bytes)}" if point.limit_bytes else "no limit"
        bar = "#" * filled + "." * (_BAR - filled)
        yield (f"  {_duration(death.time - point.time):>14} {_size(point.resident_bytes):>10} "
               f"{_size(point.live_bytes):>10} {point.active_spans:>6,}   {bar} {share}")


def _chosen(points: list[Point]) -> list[Point]:
    """The last ones all, those before them evenly."""
    if len(points) <= CURVE_ROWS:
        return points
    early, late = points[:-LAST_POINTS], points[-LAST_POINTS:]
    rows = CURVE_ROWS - LAST_POINTS
    return [early[i * (len(early) - 1) // (rows - 1)] for i in range(rows)] + late


def _active(recording: Recording, death: Death) -> Iterator[str]:
    spans = recording.active
    yield ""
    yield f"Active spans ({len(spans):,}" + (f", the {ROWS} oldest)" if len(spans) > ROWS else ")")
    for span in spans[:ROWS]:
        yield f"  {_duration(death.time - span.start):>10}  {_named(span)}  trace {span.trace_id} span {span.span_id}"


def _sites(recording: Recording, death: Death) -> Iterator[str]:
    yield ""
    if not recording.sites_time:
        yield "Live memory: not recorded before the end"
        return
    yield (f"Live memory by line ({_size(recording.live_bytes)} estimated from {recording.live_samples:,} samples, "
           f"{_duration(death.time - recording.sites_time)} before the end)")
    for line, (live, spans) in _lines(recording.sites)[:ROWS]:
        yield f"  {_size(live):>10}  {_share(live, recording.live_bytes)}  {printable(line)}"
        for name, part in sorted(spans.items(), key=lambda item: -item[1])[:2]:
            yield f"  {'':>10}  {_share(part, live):>6}    for {name}"


def _lines(sites: list[Site]) -> list[tuple[str, tuple[float, dict[str, float]]]]:
    """The sites by line of the application's own code, largest first: its live bytes, and those by span."""
    lines: dict[str, tuple[float, dict[str, float]]] = {}
    for site in sites:
        line = str(application_frame(site.stack) or "<unknown stack>")
        live, spans = lines.get(line, (0.0, {}))
        for span in site.spans:
            spans[_named(span)] = spans.get(_named(span), 0.0) + span.live_bytes
        lines[line] = (live + site.live_bytes, spans)
    return sorted(lines.items(), key=lambda item: -item[1][0])


def _spans(recording: Recording, death: Death) -> Iterator[str]:
    if recording.spans:
        yield from ("", "Live memory by span")
    for span in recording.spans[:ROWS]:
        yield f"  {_size(span.live_bytes):>10}  {_share(span.live_bytes, recording.live_bytes)}  {_named(span)}"


def _ended(recording: Recording, death: Death) -> Iterator[str]:
    counts, spans = recording.counts, recording.ended
    yield ""
    yield (f"Ended spans ({counts.produced:,} ended, {counts.retained:,} kept"
           + (f", the last {ROWS})" if len(spans) > ROWS else ")"))
    if spans:
        yield f"  {'before the end':>14} {'took':>12}"
    for span in spans[-ROWS:]:
        error = "  ERROR" if span.flags & 2 else ""
        yield (f"  {_duration(death.time - span.start - span.duration):>14} {span.duration * 1e3:>9,.1f} ms  "
               f"{printable(span.name)}  trace {span.trace_id}{error}")


def _left_out(recording: Recording, death: Death) -> Iterator[str]:
    counts = recording.counts
    notes = []
    if counts.torn or counts.in_flight:
        notes.append(f"{counts.torn} being written at the end, {counts.in_flight} not accounted for")
    notes += [f"{slots} damaged in {section}" for section, slots in recording.damaged.items()]
    if recording.missing_bytes:
        notes.append(f"the file is {recording.missing_bytes:,} bytes too short")
    if notes:
        yield from ("", "Left out: " + "; ".join(notes))


# ---------------------------------------------------------------- words


def _named(span: ActiveSpan | SpanUsage | EndedSpan) -> str:
    root = "" if isinstance(span, EndedSpan) or span.root_name == span.name else f"  in {printable(span.root_name)}"
    return printable(span.name) + root


def _share(part: float, whole: float) -> str:
    return f"{part / whole:5.1%}" if whole > 0 else "    ?"


def _size(size: float) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 1 << 20 else f"{size / 1024:,.1f} KiB"


def _duration(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:,.1f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def _date(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "an unknown time"
