"""The heap as pprof has it: whole, as the difference of two moments, or as text for people."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from spanheap import _core, thread_names
from spanheap.dumps import annotated
from spanheap.errors import DumpError
from spanheap.server.answer import Problem
from spanheap.snapshot import HeapSnapshot, Row

if TYPE_CHECKING:
    from spanheap.session import Session

LOCK_S = 10.0        # for a dump that is being written
_MOST_LABELS = 10    # of the application's, beside the six of ours: a sample has room for 16
_TEXT_SITES = 200


def spool() -> IO[bytes]:
    """A file without a name: what is written goes from there to the client, however slowly that reads."""
    try:
        return tempfile.TemporaryFile(prefix="spanheap-")
    except OSError:   # nowhere to write
        return os.fdopen(os.memfd_create("spanheap-profile"), "w+b")


def heap(session: Session, *, allocated: bool, collect: bool) -> IO[bytes]:
    """The heap now. allocated: viewers show first what was allocated. collect: collect garbage before."""
    if collect:
        gc.collect()
    file = spool()
    try:
        profiler = session._profiler
        if not profiler.dump_lock.acquire(timeout=LOCK_S):
            raise Problem(503, "a dump is being written, and its disk is slow", Retry_After="10")
        try:
            session._require_running()
            thread_names.add_missing()
            capture = _core.Capture()
            lines = annotated.lines(session, capture, "debug server")
            error = capture.write(file.fileno(), _program().encode("utf-8", "replace"),
                                  [line.encode("utf-8", "replace") for line in lines],
                                  round((time.monotonic() - profiler.started) * 1e9), allocated)
        finally:
            profiler.dump_lock.release()
        _check(error)
    except BaseException:
        file.close()
        raise
    return file


def _program() -> str:
    return os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable or "python")


def _check(error: int) -> None:
    if error:
        raise DumpError(f"no profile written to the temporary directory: {os.strerror(error)}")


def delta(
    session: Session, seconds: float, wait: Callable[[float], bool], *, allocated: bool, collect: bool,
) -> IO[bytes] | None:
    """What has changed within so many seconds. None: the client did not wait for it."""
    earlier = session.snapshot(collect=collect)
    if not wait(seconds):
        return None
    later = session.snapshot(collect=collect)
    file = spool()
    try:
        _check(write_delta(file.fileno(), earlier, later, allocated=allocated))
    except BaseException:
        file.close()
        raise
    return file


def write_delta(fd: int, earlier: HeapSnapshot, later: HeapSnapshot, *, allocated: bool) -> int:
    """Returns 0 or an errno. The sums are those of the difference, to one byte and object."""
    grown = later.diff(earlier)
    comments = [
        "reason=debug server", f"delta_s={later.time - earlier.time:.3f}", f"process.pid={os.getpid()}",
        f"rss_bytes={later.rss_bytes}", f"rss_growth_bytes={grown.rss_bytes}",
        f"live_bytes={grown.live_bytes:.0f}", f"allocated_bytes={grown.allocated_bytes:.0f}",
    ]
    writer = _core.PprofWriter(fd, comments, round(later.time * 1e9), max(0, round((later.time - earlier.time) * 1e9)),
                               max(1, round(later.sample_interval)), allocated)
    live, objects, made_bytes, made_objects = (_Rounding() for _ in range(4))
    for row, sums in _merged(grown):
        values = live.whole(sums[0]), objects.whole(sums[1]), made_bytes.whole(sums[2]), made_objects.whole(sums[3])
        if any(values):
            writer.add(row.stack, values[0], values[1], _labels(row), values[2:])
    return writer.finish()


class _Rounding:
    """Whole numbers for what is given, whose sum is that of what was given, rounded."""

    def __init__(self) -> None:
        self._exact = 0.0
        self._given = 0

    def whole(self, value: float) -> int:
        self._exact += value
        whole = round(self._exact) - self._given
        self._given += whole
        return whole


def _merged(snapshot: HeapSnapshot) -> list[tuple[Row, list[float]]]:
    """One row for all of a stack, span, thread and labels, and the sums: live bytes, live objects, allocated bytes, …"""
    sums: dict[tuple[object, ...], tuple[Row, list[float]]] = {}
    for row in snapshot.rows:
        key = (row.stack, row.trace_id, row.span_id, row.span_name, row.root_span_name, row.thread, row.sampled, row.labels)
        _, sum_ = sums.setdefault(key, (row, [0.0] * 4))
        for i, value in enumerate((row.live_bytes, row.live_objects, row.allocated_bytes, row.allocated_objects)):
            sum_[i] += value
    return list(sums.values())


def _labels(row: Row) -> dict[str, str]:
    known = {"trace_id": row.trace_id, "span_id": row.span_id, "span_name": row.span_name,
             "root_span_name": row.root_span_name, "thread": row.thread, "sampled": "" if row.sampled else "false"}
    return {key: value for key, value in (*known.items(), *row.labels[:_MOST_LABELS]) if value}


def text(snapshot: HeapSnapshot, *, allocated: bool) -> str:
    """As Go's debug=1: one paragraph a stack, `live objects: bytes [allocated objects: bytes]`, its frames leaf first."""
    sites = snapshot.sites()
    if allocated:
        sites.sort(key=lambda site: -site.allocated_bytes)
    lines = [
        f"heap profile: {snapshot.live_objects:.0f}: {snapshot.live_bytes:.0f} "
        f"[{snapshot.allocated_objects:.0f}: {snapshot.allocated_bytes:.0f}] @ heap/{snapshot.sample_interval:.0f}",
        f"# estimates from {snapshot.samples} live samples; resident set {snapshot.rss_bytes} bytes",
    ]
    for site in sites[:_TEXT_SITES]:
        lines += ["", f"{site.live_objects:.0f}: {site.live_bytes:.0f} "
                      f"[{site.allocated_objects:.0f}: {site.allocated_bytes:.0f}] "
                      f"± {min(site.relative_error, 9.99):.0%}, spans: {', '.join(site.span_names[:3])}"]
        lines += [f"#\t{frame}" for frame in site.stack]
    if len(sites) > _TEXT_SITES:
        lines += ["", f"# and {len(sites) - _TEXT_SITES} stacks more"]
    return "\n".join(lines) + "\n"
