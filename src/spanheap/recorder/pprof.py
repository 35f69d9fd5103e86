"""The live memory of a recording as a pprof heap profile, for viewers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from spanheap import _core
from spanheap.errors import RecorderError
from spanheap.recorder.death import Death
from spanheap.recorder.recording import Recording, Site
from spanheap.snapshot.row import Frame

UNKNOWN = (Frame("<unknown stack>", "", 0),)
BEYOND = (Frame("<beyond the largest sites>", "", 0),)


def write(recording: Recording, death: Death, path: Path) -> None:
    """Write it; the sum over all samples is the recording's. Raises RecorderError; the path is as it was then."""
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
    known_bytes = known_objects = 0.0
    for site in recording.sites:
        known_bytes += site.live_bytes
        known_objects += site.live_objects
        for size, objects, labels in parts(site):
            writer.add(site.stack or UNKNOWN, _whole(size), _whole(objects), labels)
    rest = recording.live_bytes - known_bytes
    if rest >= 1:
        writer.add(BEYOND, _whole(rest), _whole(recording.live_objects - known_objects), {})
    return writer.finish()


def parts(site: Site) -> Iterator[tuple[float, float, dict[str, str]]]:
    """By span; the objects in proportion, since they are known of the whole site only."""
    left = site.live_bytes
    for span in site.spans:
        left -= span.live_bytes
        share = span.live_bytes / site.live_bytes if site.live_bytes > 0 else 0.0
        yield span.live_bytes, site.live_objects * share, {"span_name": span.name, "root_span_name": span.root_name}
    if left >= 1:
        yield left, site.live_objects * left / site.live_bytes, {}


def _whole(value: float) -> int:
    return round(min(max(value, 0.0), 2.0**62))


def _ns(seconds: float) -> int:
    return round(min(max(seconds, 0.0), 2.0**33) * 1e9)
