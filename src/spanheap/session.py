"""A profiling session: what `spanheap.start()` returns."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from spanheap import _core, process, running, thread_names
from spanheap.detection.verdict import LeakVerdict
from spanheap.dumps.loading import load
from spanheap.errors import SpanheapError
from spanheap.options import SAMPLE_INTERVALS, Options, check_number
from spanheap.profiler import Profiler
from spanheap.snapshot import HeapSnapshot, Totals
from spanheap.stats import Stats, gather

if TYPE_CHECKING:
    from pathlib import Path

    from spanheap.audit.audit import Audit
    from spanheap.recorder.predecessor import PredecessorDeath
    from spanheap.retention.holders import Holder


class Session:
    """The running profiler. At most one a process; made by `start()` or `profile()`."""

    def __init__(self, options: Options) -> None:
        self._running = False
        self._exception_before = id(_uncaught())   # not a reference: it has frames, and they have everything
        self._profiler: Profiler = Profiler(self, options)
        self.spans = self._profiler.spans

    # ------------------------------------------------------------ life

    def _start(self) -> None:
        self._profiler.start_sampling()
        self._running = True
        try:
            self._profiler.start(self)
        except BaseException:
            self.shutdown()   # nothing may stay on that nobody can stop
            raise

    def shutdown(self) -> None:
        """Stop. Safe to call twice, and with samples live: their blocks go on as ordinary blocks."""
        self._shutdown(None)

    def _shutdown(self, exception: type[BaseException] | None) -> None:
        """exception: what ends the session, where nobody wanted it to end."""
        with running.lock():
            if not self._running:
                return
            self._profiler.stop(self, exception)
            self._running = False   # last: a shutdown that is interrupted can be called again
            running.ended(self)

    def _forked(self) -> None:
        """In the child. It has a tick thread again when it makes a span, allocates under one or asks for a result: most only
        exec."""
        if self._running:
            self._profiler.forked()
            _core.set_wake_up(self._ensure_ticking)

    def _at_exit(self) -> None:
        exception = _uncaught()
        self._shutdown(None if exception is None or id(exception) == self._exception_before else type(exception))

    def force_flush(self) -> bool:
        """Bring the figures up to date now instead of at the next tick."""
        self._require_running()
        self.tick(self._profiler.now())
        return True

    def tick(self, now: float) -> None:
        """One step of the housekeeping: the tick thread's, every `tick` seconds; with tick=None, the caller's."""
        if self._running:
            self._profiler.tick(self, now)

    def _ensure_ticking(self) -> None:
        if self._running:
            self._profiler.ensure_ticking(self)

    def _require_running(self) -> None:
        if not self._running:
            raise SpanheapError("this session was shut down; spanheap.start() begins a new one")
        self._ensure_ticking()

    # ------------------------------------------------------------ results

    def snapshot(self, *, collect: bool = False) -> HeapSnapshot:
        """The heap as it is now. `collect=True` collects garbage first, so that only what is reachable remains."""
        self._require_running()
        if collect:
            gc.collect()
        with _core.Muted():
            thread_names.add_missing()
            capture = _core.Capture()
            memory = process.memory()
            return HeapSnapshot(
                capture.rows,
                time=capture.time,
                rss_bytes=memory.resident if memory else 0,
                sample_interval=capture.interval,
                totals=Totals(*capture.sums),
            )

    def dump(self, path: str | os.PathLike[str] | None = None, *, reason: str = "manual") -> Path:
        """Write an annotated pprof dump; returns its path.

        `path`: a file (`{pid}` is filled in) or a directory; by default a new file in `$XDG_STATE_HOME/spanheap` or the
        temporary directory. The file is complete or absent, mode 0600. Raises DumpError.
        """
        self._require_running()
        with _core.Muted():
            load("dumps.annotated")   # only a service that dumps pays for the import
        from spanheap.dumps import annotated, writer

        with self._profiler.dump_lock:
            self._require_running()   # another thread may have shut it down meanwhile
            written = annotated.write(self, writer.target_path(path), reason)
        assert written is not None
        self._profiler.events.dump(reason, written, warning=False)
        return written

    def leaks(self) -> list[LeakVerdict]:
        """What grows and is not given back, as of the last tick: most growth first, suspicions (`growing`) last.

        Empty with detect=None. A verdict is withdrawn some time after its growth has ended. Each is logged once.
        """
        leaks = self._profiler.leaks
        return leaks.verdicts() if leaks is not None else []

    def configure(self, *, sample_interval: int | None = None, enabled: bool | None = None) -> None:
        """Change the mean bytes between samples, or switch sampling off and on, while the service runs. None: as it is.

        Estimates stay unbiased: each sample is weighed with the interval that it was drawn with. `enabled=False` takes no
        more samples; those that live stay tracked, spans are followed, dumps can be asked for. What is made until
        `enabled=True` is in no result, and the leak detector begins anew then. From any thread. Raises TypeError or
        ValueError for a value that cannot be, SpanheapError after the session's end.
        """
        if sample_interval is not None:
            check_number("sample_interval", sample_interval, *SAMPLE_INTERVALS)
        if enabled is not None and not isinstance(enabled, bool):
            raise TypeError(f"enabled must be True, False or None, not {enabled!r}")
        with running.lock():
            self._require_running()
            self._profiler.switch.set(None if sample_interval is None else float(sample_interval), enabled)

    def audit(self, *, interval: float | None = 10.0, budget_ms: float = 250, min_growth: int = 64) -> Audit:
        """Which caches keep ended spans, or grow without bound: a context manager around the work of a service.

        interval: seconds between looks at all containers, fewer in the beginning; None: the caller calls `look()`.
        budget_ms: for which a look may hold the GIL. min_growth: entries that a container has to gain after the warm-up.
        Ask its `findings()` in the end; see docs/audit.md. Raises ValueError or TypeError for a value that cannot be.
        """
        self._require_running()
        from spanheap.audit.audit import Audit  # only who asks pays for the import

        return Audit(lambda: self.spans.counts().produced, interval=interval, budget_ms=budget_ms, min_growth=min_growth)

    def holders(self, target: object, *, limit: int = 10, budget_ms: float = 250) -> list[Holder]:
        """Who keeps it alive: the ways by which objects are reachable, most objects first, at most `limit`.

        target: a Site of a snapshot, the name of a span (its ended spans, else its active ones), or objects: one, or a list,
        tuple or set of them. A walk over the heap that holds the GIL for `budget_ms` milliseconds at most; when that is
        not enough, what was found until then is returned, marked `incomplete`; where that is nothing, one holder of the kind
        "unknown", whose text says so: an empty list means that nobody is a holder. Raises ValueError or TypeError for a
        target that cannot be.
        """
        self._require_running()
        from spanheap.retention import holders  # only who asks pays for the import

        with _core.Muted():
            return holders.of_session(target, limit, budget_ms).holders

    def stats(self) -> Stats:
        """What the profiler did, dropped and cost."""
        return gather(self._profiler)

    @property
    def debug_url(self) -> str | None:
        """Where the debug server of this process listens: `http://HOST:PORT` or `unix:PATH`; None: it does not."""
        server = self._profiler.server
        return server.url if server is not None else None

    @property
    def predecessor_deaths(self) -> list[PredecessorDeath]:
        """How earlier processes of the same recorder path ended, if not cleanly; found when this session started."""
        recorder = self._profiler.recorder
        return [] if recorder is None else list(recorder.deaths)


def _uncaught() -> BaseException | None:
    """The exception that was printed last because nobody caught it."""
    return getattr(sys, "last_value", None)
