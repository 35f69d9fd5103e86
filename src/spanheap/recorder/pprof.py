"""The live memory of a recording as a pprof heap profile, for viewers."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from spanheap import _core
from spanheap.errors import RecorderError
from spanheap.recorder import place
from spanheap.recorder.death import Death
from spanheap.recorder.recording import Recording
from spanheap.snapshot.row import Frame

UNKNOWN = (Frame("<unknown stack>", "", 0),)
BEYOND = (Frame("<beyond the largest sites>", "", 0),)


def write(recording: Recording, death: Death, path: Path) -> None:
    """Write it; the sum over all samples is the recording's. Raises RecorderError; the path is as it was then.

    A recorder file is not replaced: what else is in it is nowhere else."""
    if _is_recording(path) or (os.path.exists(recording.path) and path.exists() and path.samefile(recording.path)):
        raise RecorderError(f"{path}: is a recorder file, which would be replaced: give another name for the profile")
    temporary = path.with_name(f".spanheap-{os.urandom(8).hex()}.tmp")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            error = _write(recording, death, fd)
            if error:
                raise OSError(error, os.strerror(error))
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise RecorderError(f"{path}: cannot be written: {error.strerror}") from error


def _is_recording(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:   # it is not there, or writing it will say why not
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and place.is_ours(fd)
    finally:
        os.close(fd)


def _write(recording: Recording, death: Death, fd: int) -> int:
    who = recording.identity
    facts = {
        "service.name": who.service, "process.pid": who.pid, "program": who.program,
        "reason": "recovered", "end": death.text,
        "live_bytes": round(recording.live_bytes), "samples": recording.live_samples,
        "rss_bytes": recording.points[-1].resident_bytes if recording.points else "unknown",
        "active_spans": len(recording.active), "spanheap.version": who.spanheap,
    }
    comments = [f"{key}={' '.join(str(value).split())}" for key, value in facts.items() if value != ""]
    duration = recording.sites_time - who.started
    writer = _core.PprofWriter(fd, comments, _ns(recording.sites_time), _ns(duration), _whole(recording.interval))
    for part in parts(recording):
        writer.add(part.stack, _whole(part.live_bytes), _whole(part.live_objects), part.labels, samples=part.samples)
    return writer.finish()


class Part(NamedTuple):
    """What was live at one stack for one span."""

    stack: tuple[Frame, ...]
    labels: dict[str, str]
    live_bytes: float
    live_objects: float
    samples: int


def parts(recording: Recording) -> Iterator[Part]:
    """All that was live. The objects of a span in proportion, since they are known of the whole site only."""
    rest, objects, samples = recording.live_bytes, recording.live_objects, recording.live_samples
    for site in recording.sites:
        rest, objects, samples = rest - site.live_bytes, objects - site.live_objects, samples - site.samples
        stack, left, left_samples = site.stack or UNKNOWN, site.live_bytes, site.samples
        each = site.live_objects / site.live_bytes if site.live_bytes > 0 else 0.0
        for span in site.spans:
            left, left_samples = left - span.live_bytes, left_samples - span.samples
            labels = {"span_name": span.name, "root_span_name": span.root_name}
            yield Part(stack, labels, span.live_bytes, span.live_bytes * each, span.samples)
        if left >= 1:
            yield Part(stack, {}, left, left * each, max(0, left_samples))
    if rest >= 1:
        yield Part(BEYOND, {}, rest, max(0.0, objects), max(0, samples))


def _whole(value: float) -> int:
    return round(min(max(value, 0.0), 2.0**62))


def _ns(seconds: float) -> int:
    return round(min(max(seconds, 0.0), 2.0**33) * 1e9)
