"""The profiler at work: its parts, and the order in which they start, tick and stop, and what a fork leaves of them.

What a part asks for results is the session, which is handed to each call: a reference to it from here would be a cycle, left
for the collector when both end.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

from spanheap import _core, thread_names
from spanheap.detection.watch import LeakWatch
from spanheap.doctor.at_start import StartCheck
from spanheap.dumps.automatic import Automatic
from spanheap.errors import SpanheapError
from spanheap.options import Options
from spanheap.spans import attribution, providers, watch
from spanheap.spans.store import SpanStore
from spanheap.switch import Switch
from spanheap.telemetry.events import EventLog
from spanheap.telemetry.gauges import Telemetry
from spanheap.ticker import Ticker

if TYPE_CHECKING:
    from pathlib import Path

    from spanheap.otlp.exporter import ProfilesExporter
    from spanheap.recorder.writer import FlightRecorder
    from spanheap.server.server import Server
    from spanheap.session import Session

logger = logging.getLogger("spanheap")

# Frames named per tick: about 0.5 µs each, so half of the millisecond that a tick may hold the GIL.
_FRAMES_PER_TICK = 1000


class Profiler:
    """One a session, which starts, ticks and stops it. A part that is None is off."""

    dump_lock: ClassVar = threading.Lock()
    """Held while a dump is written: one at a time, and the core does not stop meanwhile. One for all sessions: a dump of the
    last one may still be asked for when the next has begun, and what the core writes with is one."""

    def __init__(self, session: Session, options: Options) -> None:
        self.options = options
        self.started = time.monotonic()
        self.ticker = Ticker(options.tick) if options.tick is not None else None
        self.ticks = 0
        self.longest_tick_s = 0.0
        self._now = 0.0   # of the last tick
        self._attached = False
        self._ticking = False
        self.recorder: FlightRecorder | None = None
        self.recorder_errors = 0
        self.switch = Switch(float(options.sample_interval), options.enabled, options.toggle_signal)
        if options.recorder is not None:
            from spanheap.recorder.writer import FlightRecorder

            self.recorder = FlightRecorder(
                os.fsdecode(options.recorder), span_capacity=options.span_capacity, span_ttl=options.span_ttl,
                sample_interval=options.sample_interval, tick=options.tick)
        self.spans = SpanStore(
            options.span_capacity, options.span_ttl, None if self.recorder is None else self.recorder.memory)
        self.leaks = LeakWatch(options.detect, self.spans, options.pause_budget_ms) if options.detect is not None else None
        self.dumps = Automatic(options.dumps) if options.dumps is not None else None
        self.server: Server | None = None
        if options.debug_server is not None:
            from spanheap.server.server import Server

            assert not isinstance(options.debug_server, str)   # checked
            self.server = Server(options.debug_server)
        self.events = EventLog(options.logger_provider, self.spans)
        if self.leaks is not None:
            self.leaks.say = self.events.verdict
        if self.dumps is not None:
            self.dumps.outcomes.say = self.events.dump
        given = (options.detect and options.detect.memory_limit) or (options.dumps and options.dumps.limit_bytes) or None
        self.telemetry = Telemetry(session, options.meter_provider, given)
        self.profiles: ProfilesExporter | None = None   # sets itself when it is started
        self._start_check = StartCheck(
            *providers.given(options.tracer_provider), options.meter_provider, options.logger_provider)

    # ------------------------------------------------------------ life

    def start_sampling(self) -> None:
        """The core, which everything else needs. Raises SpanheapError where it cannot start; nothing is on then."""
        o = self.options
        assert o.seed is not None
        self.spans._open()
        problem = _core.start(
            float(o.sample_interval), o.max_samples, o.max_depth, o.span_capacity, o.adaptive, o.seed, 1.0
        )
        if problem:
            self.spans._close()
            raise SpanheapError(f"spanheap cannot start: {problem}")

    def start(self, session: Session) -> None:
        """All the others. What is on when this raises, `stop` ends."""
        self.switch.start()
        if self.leaks is not None:
            self.leaks.start()
        attribution.bind()
        _core.set_adopt(providers.adopt)
        if self.options.propagate_to_threads:
            from spanheap.spans import propagation  # with it comes the context API

            propagation.install()
        self._attached = providers.attach_each(self.options.tracer_provider)
        self.telemetry.start()
        self._open_recorder()
        if self.dumps is not None:
            self.dumps.start()
        if self.options.profiles_endpoint is not None:
            from spanheap.otlp.exporter import ProfilesExporter  # with it come protobuf's messages

            ProfilesExporter(
                session, endpoint=self.options.profiles_endpoint or None, interval=self.options.profiles_interval).start()
        self.ensure_ticking(session)
        if self.server is not None:
            self.server.open(session)

    def _open_recorder(self) -> None:
        """The service comes first: where nothing can be recorded, it runs without, and the log says why."""
        if self.recorder is None:
            return
        try:
            service = self.resource().get("service.name", "")
            self.recorder.open(self.spans._log, str(service or os.environ.get("OTEL_SERVICE_NAME", "")))
        except Exception as error:
            self.recorder_errors += 1
            logger.warning("spanheap: %s", error)

    def ensure_ticking(self, session: Session) -> None:
        """Start the tick thread unless that was done; in the child of a fork it was not."""
        if self.ticker is None or self._ticking:
            return
        self._ticking = True
        try:
            self.ticker.start(session.tick)
        except RuntimeError as error:   # no more threads: results are brought up to date when asked for
            logger.warning("spanheap: no tick thread (%s); profiling goes on", error)

    def stop(self, session: Session, exception: type[BaseException] | None) -> None:
        """exception: what ends the session, where nobody wanted it to end. When it is interrupted it can be called again."""
        if self.ticker is not None:
            self.ticker.stop()
        if self.server is not None:
            self.server.close()
        self.telemetry.stop()
        if self.profiles is not None:
            self.profiles.stop()
        self.switch.close()
        if self.dumps is not None:
            self.dumps.close(session, self.now())
        if self.recorder is not None:
            try:
                self.recorder.close(exception)
            except Exception:
                logger.exception("spanheap: the flight recorder could not be closed")
        with self.dump_lock:   # a dump that is being written reads the tables
            _core.stop()
            if self.leaks is not None:
                self.leaks.stop()
        self.spans._close()
        _core.set_wake_up(None)
        if self.options.propagate_to_threads:
            from spanheap.spans import propagation

            propagation.uninstall()

    def forked(self) -> None:
        """In the child. The core goes on by itself; the tick thread is gone; threads that are gone may have held locks."""
        Profiler.dump_lock = threading.Lock()
        self.switch.forked()
        self._ticking = False
        if self.dumps is not None:
            self.dumps.forked()
        if self.recorder is not None:
            self.recorder.forked()
        if self.server is not None:
            self.server.forked()
        self.telemetry.forked()
        if self.ticker is not None:
            self.ticker.forget()

    # ------------------------------------------------------------ tick

    def now(self) -> float:
        """The time that ticks are in: with tick=None it is the caller's."""
        return time.time() if self.ticker is not None else self._now

    def tick(self, session: Session, now: float) -> None:
        """One step of the housekeeping."""
        if self.dumps is not None:   # first: there may be no memory for anything else
            self.dumps.emergency(session)
        start = time.perf_counter()
        _core.tick(_FRAMES_PER_TICK)
        thread_names.tick()
        if not self._attached:
            self._attached = providers.attach_each(self.options.tracer_provider)
        self._now = now
        watch.tick(now)
        if self.switch.tick() and self.leaks is not None:
            if self.switch.take_resumed():   # what was made meanwhile was not seen: it is not to be taken for native growth
                self.leaks = self.leaks.begun_anew()
            self.leaks.tick(now)
        self.telemetry.tick(now)
        if self.recorder is not None:
            if self.recorder.is_orphaned:   # not where the child makes its first span: that is the service's time
                self._open_recorder()
            self.recorder.write()
        if self.server is not None:
            self.server.tick(session)
        self.ticks += 1
        self.longest_tick_s = max(self.longest_tick_s, time.perf_counter() - start)
        self._start_check.tick(now)   # once
        if self.profiles is not None:
            self.profiles.ensure_running()   # in the child of a fork its thread is gone
        if self.dumps is not None:   # last: a dump is written by this thread and takes as long as the disk does
            self.dumps.tick(session, now)

    # ------------------------------------------------------------ what several parts ask

    def resource(self) -> dict[str, Any]:
        return providers.resource_attributes(self.options.tracer_provider)

    def dump_folder(self) -> Path:
        """Where dumps go that were given no other place. Raises DumpError."""
        from spanheap.dumps import folder  # only who dumps pays for the import

        return folder.opened(self.options.dumps.folder if self.options.dumps is not None else None)

    def dump_signal(self) -> int:
        """That asks for a dump; 0: none does, or its handler was replaced."""
        signal = self.dumps.signal if self.dumps is not None else None
        return signal.number if signal is not None and signal.is_in_place else 0

    def cpu_s(self) -> float:
        """Of taking samples, and of the threads of the tick, the debug server and the profiles."""
        threads = (self.ticker, self.server, self.profiles)
        return _core.counters()["sampling_ns"] / 1e9 + sum(thread.cpu_s for thread in threads if thread is not None)
