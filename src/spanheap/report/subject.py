"""What a report is about: a dump, perhaps with an earlier one beside it, or a recording; in one shape for both.

Nothing in a file is trusted to be what spanheap wrote: comments that cannot be read are left out.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from spanheap.dumps.reader import Dump, open_dump
from spanheap.errors import CorruptFile, DumpError
from spanheap.recorder import command as recordings
from spanheap.recorder import layout
from spanheap.recorder.death import Death
from spanheap.recorder.pprof import parts
from spanheap.recorder.recording import Recording
from spanheap.snapshot import NO_SPAN, Frame, HeapSnapshot, Row

_HOLDER = re.compile(r"(?P<path>.*?)(?: share=(?P<share>[0-9.]{1,8}))? site=(?P<site>.*)", re.DOTALL)
_INTEGER = re.compile(r"[0-9]{1,18}")


class Verdict(NamedTuple):
    """What the detector said, as far as the dump has it in fields."""

    kind: str
    root_name: str
    """"": none, as with all texts here."""
    span_name: str
    frame: Frame | None
    live_bytes: float
    growth_bytes_per_s: float
    share_of_growth: float
    confidence: float
    time_to_limit_s: float | None
    holder: str
    reason: str
    trace_ids: tuple[str, ...]


class Holder(NamedTuple):
    """Who keeps it alive."""

    path: str
    share: float | None
    """Of what was asked about, 0 to 1; None: not told."""
    of: str


class Moment(NamedTuple):
    """One point of the time line; None: not known."""

    time: float
    rss_bytes: float | None
    live_bytes: float | None
    limit_bytes: float | None
    completed_per_s: float | None
    """Spans that ended since the point before."""
    active_spans: int | None


@dataclass(kw_only=True)
class Subject:
    """Times in seconds since the epoch, sizes in bytes."""

    path: Path
    heap: HeapSnapshot
    is_recording: bool
    program: str
    facts: list[tuple[str, str]]
    verdicts: list[Verdict] = field(default_factory=list)
    verdict_text: str = ""
    """Of a dump without the fields."""
    holders: list[Holder] = field(default_factory=list)
    curve: list[Moment] = field(default_factory=list)
    has_allocated: bool = True
    baseline: Dump | None = None
    growth: HeapSnapshot | None = None
    """The heap minus the baseline."""
    death: Death | None = None
    recording: Recording | None = None

    @property
    def limit_bytes(self) -> int | None:
        """As a dump tells it."""
        return _integer(dict(self.facts), "limit_bytes")

    @property
    def seconds_between(self) -> float:
        """Between baseline and dump; 0.0: not known."""
        return max(0.0, self.heap.time - self.baseline.time) if self.baseline and self.baseline.time > 0 else 0.0


def is_recording(path: Path) -> bool:
    """Whether the file says that it is a recorder's. Raises DumpError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)   # a FIFO is refused, not waited for
        try:
            magic = os.read(fd, len(layout.MAGIC))
        finally:
            os.close(fd)
    except OSError as error:
        raise DumpError(f"{path}: cannot be read: {error.strerror}") from error
    if not magic:
        raise CorruptFile(f"{path}: is empty: give a dump (.pb.gz) or a recorder file that was written to its end")
    return magic == layout.MAGIC


def of_file(path: Path, baseline: Path | None = None, recorder: Path | None = None) -> Subject:
    """recorder: whose memory curve is the time line of a dump. Raises DumpError, CorruptFile and RecorderError."""
    if is_recording(path):
        if baseline is not None:
            raise DumpError(f"--baseline {baseline}: {path} is a recorder file, which has no allocations to compare: "
                            "leave --baseline out, or give two dumps")
        if recorder is not None:
            raise DumpError(f"--recorder {recorder}: {path} is a recorder file itself: give a dump, or leave --recorder out")
        return _of_recording(path)
    subject = _of_dump(heap_dump(path), heap_dump(baseline) if baseline is not None else None)
    if recorder is not None:
        recording, _ = recordings.examine(recorder)
        subject.curve = _curve(recording)
        theirs, ours = str(recording.identity.pid), dict(subject.facts).get("process.pid")
        if ours and theirs != ours:
            subject.facts.append(("recorder of another process", f"{theirs}, not {ours}: the time line is not this heap's"))
    return subject


def heap_dump(path: Path) -> Dump:
    """The dump in this file. Raises DumpError and CorruptFile."""
    if is_recording(path):
        raise DumpError(f"{path}: is a recorder file, not a dump: `spanheap recover {path} --pprof OUT` makes one of it")
    return open_dump(path)


# ---------------------------------------------------------------- dumps


def _of_dump(dump: Dump, baseline: Dump | None) -> Subject:
    data = dump.metadata
    named = ("service.name", "service.version", "service.instance.id", "k8s.pod.name", "process.pid", "reason", "time",
             "rss_bytes", "limit_bytes", "limit_used_bytes", "active_spans", "ended_spans", "samples",
             "sample_interval_bytes", "attribution", "spanheap.version")
    subject = Subject(
        path=dump.path, heap=dump, is_recording=False, program=data.get("service.name") or dump.path.name,
        facts=[(key, data[key]) for key in named if data.get(key)],
        verdicts=_verdicts(data), verdict_text=data.get("verdict", ""), holders=_holders(data),
        has_allocated=any(row.allocated_bytes for row in dump.rows), baseline=baseline,
        growth=dump.diff(baseline) if baseline is not None else None,
    )
    if baseline is not None:
        subject.curve = [_moment(baseline, None), _moment(dump, baseline)]
        theirs, ours = baseline.metadata.get("process.pid"), data.get("process.pid")
        if theirs and ours and theirs != ours:
            subject.facts.append(("baseline of another process", f"{theirs}, not {ours}: the difference is no growth"))
        if subject.seconds_between <= 0:
            subject.facts.append(("baseline not earlier", "no rate can be told; are the two the wrong way round?"))
    return subject


def _moment(dump: Dump, before: Dump | None) -> Moment:
    data = dump.metadata
    rate = None
    if before is not None and dump.time > before.time:
        counts = [_integer(d.metadata, "ended_spans") for d in (before, dump)]
        if counts[0] is not None and counts[1] is not None and counts[1] >= counts[0]:
            rate = (counts[1] - counts[0]) / (dump.time - before.time)
    return Moment(dump.time, dump.rss_bytes or None, dump.live_bytes, _integer(data, "limit_bytes"), rate,
                  _integer(data, "active_spans"))


def _integer(data: dict[str, str], key: str) -> int | None:
    return int(data[key]) if _INTEGER.fullmatch(data.get(key, "")) else None


def _verdicts(data: dict[str, str]) -> list[Verdict]:
    found = []
    for key, text in data.items():
        if re.fullmatch(r"verdict\.[0-9]+", key):
            try:
                found.append(_verdict(json.loads(text)))
            except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
                continue
    return found


def _verdict(fields: dict[str, Any]) -> Verdict:
    frame = fields["frame"]
    limit = fields["time_to_limit_s"]
    return Verdict(
        _text(fields["kind"]), _text(fields["root_name"]), _text(fields["span_name"]),
        Frame(_text(frame[0]), _text(frame[1]), int(frame[2])) if frame else None,
        _number(fields["live_bytes"]), _number(fields["growth_bytes_per_s"]), _number(fields["share_of_growth"]),
        _number(fields["confidence"]), None if limit is None else _number(limit), _text(fields["holder"]),
        _text(fields["reason"]), tuple(_text(id) for id in fields["trace_ids"]),
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _number(value: object) -> float:
    number = float(value) if isinstance(value, (int, float)) else 0.0
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _holders(data: dict[str, str]) -> list[Holder]:
    found = []
    for key, text in data.items():
        if re.fullmatch(r"holder\.[0-9]+", key) and (match := _HOLDER.fullmatch(text)):
            try:
                share = float(match["share"]) if match["share"] else None
            except ValueError:
                share = None
            found.append(Holder(match["path"], share, match["site"]))
    return found


# ---------------------------------------------------------------- recordings


def _of_recording(path: Path) -> Subject:
    recording, death = recordings.examine(path)
    who, last = recording.identity, recording.points[-1] if recording.points else None
    facts = {
        "service.name": who.service, "process.pid": str(who.pid), "python": who.python, "end": death.text,
        "rss_bytes": str(last.resident_bytes) if last else "", "limit_bytes": str(last.limit_bytes or "") if last else "",
        "active_spans": f"{len(recording.active)}", "ended_spans": f"{recording.counts.produced}",
        "samples": f"{recording.live_samples}", "sample_interval_bytes": f"{who.sample_interval:.0f}",
        "spanheap.version": who.spanheap,
        "left out": ", ".join(f"{slots} damaged in {section}" for section, slots in recording.damaged.items()),
    }
    heap = HeapSnapshot(
        _rows(recording), time=recording.sites_time or death.time, rss_bytes=last.resident_bytes if last else 0,
        sample_interval=recording.interval,
    )
    return Subject(
        path=path, heap=heap, is_recording=True, program=who.service or who.program or path.name,
        facts=[(key, value) for key, value in facts.items() if value], curve=_curve(recording), has_allocated=False,
        death=death, recording=recording,
    )


def _rows(recording: Recording) -> list[Row]:
    rows = []
    for part in parts(recording):
        name = part.labels.get("span_name", NO_SPAN)
        rows.append(Row(part.stack, name, part.labels.get("root_span_name", name), "", "", "", 0, part.live_bytes,
                        part.live_objects, 0.0, 0.0, part.samples))
    return rows


def _curve(recording: Recording) -> list[Moment]:
    ends = sorted(span.start + span.duration for span in recording.ended)
    # What ended before the oldest span that is kept is not known, unless all are.
    since = -math.inf if not recording.counts.overwritten + recording.counts.expired else (ends[0] if ends else math.inf)
    return [
        Moment(point.time, point.resident_bytes, point.live_bytes, point.limit_bytes or None, rate, point.active_spans)
        for point, rate in zip(recording.points, _rates([p.time for p in recording.points], ends, since), strict=True)
    ]


def _rates(times: Sequence[float], ends: Sequence[float], since: float) -> list[float | None]:
    """Of what ended between each time and the one before, a second; None: not known."""
    rates: list[float | None] = []
    at, before = 0, None
    for time in times:
        count = 0
        while at < len(ends) and ends[at] <= time:
            count += before is not None and ends[at] > before
            at += 1
        known = before is not None and before >= since and time > before
        rates.append(count / (time - before) if known and before is not None else None)
        before = time
    return rates
