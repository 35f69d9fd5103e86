"""A profiling session: what `spanheap.start()` returns."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from spanheap import _core, process, running
from spanheap.detection.verdict import LeakVerdict
from spanheap.detection.watch import LeakWatch
from spanheap.doctor.at_start import StartCheck
from spanheap.dumps.automatic import Automatic
from spanheap.dumps.loading import load
from spanheap.errors import SpanheapError
from spanheap.options import SAMPLE_INTERVALS, Options, check_number
from spanheap.snapshot import HeapSnapshot, Totals
from spanheap.spans import attribution, providers, watch
from spanheap.spans.store import SpanStore
from spanheap.stats import Stats
from spanheap.switch import Switch
from spanheap.telemetry.events import EventLog
from spanheap.telemetry.gauges import Telemetry
from spanheap.ticker import Ticker

if TYPE_CHECKING:
    from pathlib import Path

    from spanheap.audit.audit import Audit
    from spanheap.otlp.exporter import ProfilesExporter
    from spanheap.recorder.predecessor import PredecessorDeath
    from spanheap.recorder.writer import FlightRecorder
    from spanheap.retention.holders import Holder
    from spanheap.server.server import Server

logger = logging.getLogger("spanheap")

# Frames named per tick: about 0.5 µs each, so half of the millisecond that a tick may hold the GIL.
_FRAMES_PER_TICK = 1000

# Half of the table: then slots of threads that are gone are looked for, even when all have names.
_THREADS_TO_REAP = 512


class Session:
    """The running profiler. At most one a process; made by `start()` or `profile()`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._started = time.monotonic()
        self._running = False
        self._dump_lock = threading.Lock()
        self._ticker = Ticker(options.tick) if options.tick is not None else None
        self._ticks = 0
        self._now = 0.0   # of the last tick
        self._longest_tick_s = 0.0
        self._attached = False
        self._ticking = False
        self._recorder: FlightRecorder | None = None
        self._recorder_errors = 0
        self._switch = Switch(float(options.sample_interval), options.enabled, options.toggle_signal)
        self._exception_before = id(_uncaught())   # not a reference: it has frames, and they have everything
        if options.recorder is not None:
            from spanheap.recorder.writer import FlightRecorder

            self._recorder = FlightRecorder(
                os.fsdecode(options.recorder), span_capacity=options.span_capacity, span_ttl=options.span_ttl,
                sample_interval=options.sample_interval, tick=options.tick)
        self.spans = SpanStore(
            options.span_capacity, options.span_ttl, None if self._recorder is None else self._recorder.memory)
        self._leaks = LeakWatch(options.detect, self.spans, options.pause_budget_ms) if options.detect is not None else None
        self._dumps = Automatic(options.dumps) if options.dumps is not None else None
        self._server: Server | None = None
        if options.debug_server is not None:
            from spanheap.server.server import Server

            assert not isinstance(options.debug_server, str)   # checked
            self._server = Server(options.debug_server)
        self._events = EventLog(options.logger_provider, self.spans)
        if self._leaks is not None:
            self._leaks.say = self._events.verdict
        if self._dumps is not None:
            self._dumps.outcomes.say = self._events.dump
        given = (options.detect and options.detect.memory_limit) or (options.dumps and options.dumps.limit_bytes) or None
        self._telemetry = Telemetry(self, options.meter_provider, given)
        self._profiles: ProfilesExporter | None = None   # sets itself when it is started
        self._start_check = StartCheck(options.tracer_provider, options.meter_provider, options.logger_provider)

    # ------------------------------------------------------------ life

    def _start(self) -> None:
        o = self._options
        assert o.seed is not None
        self.spans._open()
        problem = _core.start(
            float(o.sample_interval), o.max_samples, o.max_depth, o.span_capacity, o.adaptive, o.seed, 1.0
        )
        if problem:
            self.spans._close()
            raise SpanheapError(f"spanheap cannot start: {problem}")
        self._running = True
        try:
            self._switch.start()
            if self._leaks is not None:
                self._leaks.start()
            attribution.bind()
            _core.set_adopt(providers.adopt)
            if o.propagate_to_threads:
                from spanheap.spans import propagation  # with it comes the context API

                propagation.install()
            self._attached = providers.attach(o.tracer_provider)
            self._telemetry.start()
            self._open_recorder()
            if self._dumps is not None:
                self._dumps.start()
            if o.profiles_endpoint is not None:
                from spanheap.otlp.exporter import ProfilesExporter  # with it come protobuf's messages

                ProfilesExporter(self, endpoint=o.profiles_endpoint or None, interval=o.profiles_interval).start()
            self._ensure_ticking()
            if self._server is not None:
                self._server.open(self)
        except BaseException:
            self.shutdown()   # nothing may stay on that nobody can stop
            raise

    def _open_recorder(self) -> None:
        """The service comes first: where nothing can be recorded, it runs without, and the log says why."""
        if self._recorder is None:
            return
        try:
            service = providers.resource_attributes(self._options.tracer_provider).get("service.name", "")
            self._recorder.open(self.spans._log, str(service or os.environ.get("OTEL_SERVICE_NAME", "")))
        except Exception as error:
            self._recorder_errors += 1
            logger.warning("spanheap: %s", error)

    def _ensure_ticking(self) -> None:
        if self._ticker is None or self._ticking or not self._running:
            return
        self._ticking = True
        try:
            self._ticker.start(self.tick)
        except RuntimeError as error:   # no more threads: results are brought up to date when asked for
            logger.warning("spanheap: no tick thread (%s); profiling goes on", error)

    def shutdown(self) -> None:
        """Stop. Safe to call twice, and with samples live: their blocks go on as ordinary blocks."""
        self._shutdown(None)

    def _shutdown(self, exception: type[BaseException] | None) -> None:
        """exception: what ends the session, where nobody wanted it to end."""
        with running.lock():
            if not self._running:
                return
            if self._ticker is not None:
                self._ticker.stop()
            if self._server is not None:
                self._server.close()
            self._telemetry.stop()
            if self._profiles is not None:
                self._profiles.stop()
            self._switch.close()
            if self._dumps is not None:
                self._dumps.close(self, time.time() if self._ticker is not None else self._now)
            if self._recorder is not None:
                try:
                    self._recorder.close(exception)
                except Exception:
                    logger.exception("spanheap: the flight recorder could not be closed")
            with self._dump_lock:   # a dump that is being written reads the tables
                _core.stop()
                if self._leaks is not None:
                    self._leaks.stop()
            self.spans._close()
            _core.set_wake_up(None)
            if self._options.propagate_to_threads:
                from spanheap.spans import propagation

                propagation.uninstall()
            self._running = False   # last: a shutdown that is interrupted can be called again
            running.ended(self)

    def _forked(self) -> None:
        """In the child. The core goes on by itself; the tick thread is gone, and threads that are gone may have held locks.

        The thread is started again when the child makes a span, allocates under one or asks for a result: most only exec."""
        if not self._running:
            return
        self._dump_lock = threading.Lock()
        self._switch.forked()
        self._ticking = False
        if self._dumps is not None:
            self._dumps.forked()
        if self._recorder is not None:
            self._recorder.forked()
        if self._server is not None:
            self._server.forked()
        self._telemetry.forked()
        if self._ticker is not None:
            self._ticker.forget()
        _core.set_wake_up(self._ensure_ticking)

    def _at_exit(self) -> None:
        exception = _uncaught()
        self._shutdown(None if exception is None or id(exception) == self._exception_before else type(exception))

    def force_flush(self) -> bool:
        """Bring the figures up to date now instead of at the next tick."""
        self._require_running()
        self.tick(time.time() if self._ticker is not None else self._now)
        return True

    def tick(self, now: float) -> None:
        """One step of the housekeeping: the tick thread's, every `tick` seconds; with tick=None, the caller's."""
        if not self._running:
            return
        if self._dumps is not None:   # first: there may be no memory for anything else
            self._dumps.emergency(self)
        start = time.perf_counter()
        _core.tick(_FRAMES_PER_TICK)
        unnamed, known = _core.unnamed_threads()
        if unnamed or known > _THREADS_TO_REAP:
            _core.name_threads([(t.ident, t.name) for t in threading.enumerate() if t.ident is not None])
        if not self._attached:
            self._attached = providers.attach(self._options.tracer_provider)
        self._now = now
        watch.tick(now)
        if self._switch.tick() and self._leaks is not None:
            if self._switch.take_resumed():   # what was made meanwhile was not seen: it is not to be taken for native growth
                self._leaks = self._leaks.begun_anew()
            self._leaks.tick(now)
        self._telemetry.tick(now)
        if self._recorder is not None:
            if self._recorder.is_orphaned:   # not where the child makes its first span: that is the service's time
                self._open_recorder()
            self._recorder.write()
        if self._server is not None and self._server.is_orphaned:
            self._server.open(self)
        self._ticks += 1
        self._longest_tick_s = max(self._longest_tick_s, time.perf_counter() - start)
        self._start_check.tick(now)   # once
        if self._profiles is not None:
            self._profiles.ensure_running()   # in the child of a fork its thread is gone
        if self._dumps is not None:   # last: a dump is written by this thread and takes as long as the disk does
            self._dumps.tick(self, now)

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
            self._name_threads()
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
            load("dumps.writer", "dumps.description")   # only a service that dumps pays for the import
        from spanheap.dumps import writer

        with self._dump_lock:
            written = self._write_dump(writer.target_path(path), reason)
        assert written is not None
        self._events.dump(reason, written, warning=False)
        return written

    def _write_dump(self, target: Path, reason: str, more: Sequence[str] = (),
                    wanted: Callable[[_core.Capture], bool] | None = None) -> Path | None:
        """With `_dump_lock` held. more: comments after the others. wanted: asked once the heap was read; False: no dump."""
        with _core.Muted():
            from spanheap.dumps import description, writer

            self._name_threads()
            capture = _core.Capture()
            if wanted is not None and not wanted(capture):
                return None
            lines = description.lines(capture, self._resource(), reason, _core.hook_mode(), (
                f"ended_spans={self.spans.counts().produced}", *more, *description.verdict_lines(self.leaks())))
            return writer.write(capture, target, lines, time.monotonic() - self._started)

    def _resource(self) -> dict[str, Any]:
        return providers.resource_attributes(self._options.tracer_provider)

    def leaks(self) -> list[LeakVerdict]:
        """What grows and is not given back, as of the last tick: most growth first, suspicions (`growing`) last.

        Empty with detect=None. A verdict is withdrawn some time after its growth has ended. Each is logged once.
        """
        return self._leaks.verdicts() if self._leaks is not None else []

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
            self._switch.set(None if sample_interval is None else float(sample_interval), enabled)

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
        not enough, what was found until then is returned, marked `incomplete`. Raises ValueError or TypeError for a target
        that cannot be.
        """
        self._require_running()
        from spanheap.retention import holders  # only who asks pays for the import

        with _core.Muted():
            return holders.of_session(target, limit, budget_ms).holders

    def stats(self) -> Stats:
        """What the profiler did, dropped and cost."""
        counters = _core.counters()
        ticker = self._ticker
        return Stats.of(
            counters,
            hook=_core.hook_mode(),
            attribution=_core.attribution() != _core.ATTRIBUTION_OFF,
            sample_interval=_core.sample_interval(),
            cpu_s=self._cpu_s(),
            sampling=_core.sampling(),
            reconfigured=self._switch.changes,
            ticks=self._ticks,
            longest_tick_s=self._longest_tick_s,
            processor_errors=providers.processor_errors(),
            tick_errors=ticker.errors if ticker else 0,
            detector_errors=self._leaks.errors if self._leaks is not None else 0,
            pauses=self._leaks.pauses.pauses if self._leaks is not None else 0,
            paused_s=self._leaks.pauses.spent_ms / 1e3 if self._leaks is not None else 0.0,
            recorder=self._recorder.path if self._recorder else "",
            recorder_errors=self._recorder_errors,
            dumps_written=self._dumps.outcomes.total("written") if self._dumps else 0,
            dumps_refused=self._dumps.outcomes.total("refused") if self._dumps else 0,
            dumps_saved=self._dumps.outcomes.total("saved") if self._dumps else 0,
            dump_errors=self._dumps.outcomes.errors if self._dumps else 0,
            dumps_by_reason=self._dumps.outcomes.by_reason() if self._dumps else {},
            profiles_exported=self._profiles.counts().exported if self._profiles else 0,
            profiles_lost=self._profiles.counts().lost if self._profiles else 0,
            **self.spans._counters(),
        )

    def _cpu_s(self) -> float:
        """Of taking samples, and of the threads of the tick, the debug server and the profiles."""
        threads = (self._ticker, self._server, self._profiles)
        return _core.counters()["sampling_ns"] / 1e9 + sum(thread.cpu_s for thread in threads if thread is not None)

    @property
    def debug_url(self) -> str | None:
        """Where the debug server of this process listens: `http://HOST:PORT` or `unix:PATH`; None: it does not."""
        return self._server.url if self._server is not None else None

    @property
    def predecessor_deaths(self) -> list[PredecessorDeath]:
        """How earlier processes of the same recorder path ended, if not cleanly; found when this session started."""
        return [] if self._recorder is None else list(self._recorder.deaths)

    def _name_threads(self) -> None:
        if _core.unnamed_threads()[0]:
            _core.name_threads([(t.ident, t.name) for t in threading.enumerate() if t.ident is not None])


def _uncaught() -> BaseException | None:
    """The exception that was printed last because nobody caught it."""
    return getattr(sys, "last_value", None)
