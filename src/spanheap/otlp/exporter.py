"""Sends a snapshot of the heap to an OTLP receiver, every so often.

From a thread of its own: neither the service's threads nor the session's tick ever wait for a receiver. An export has its
time (`timeout`) and its size (`max_bytes`). Where nobody takes it, that is counted and the snapshot is dropped: the next one
says more than an old one would, so that nothing is queued.
"""

from __future__ import annotations

import gzip
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spanheap import _core
from spanheap.dumps.description import environment_resource
from spanheap.errors import SpanheapError
from spanheap.otlp.client import Client, Response
from spanheap.otlp.counts import ProfilesCounts
from spanheap.otlp.encode import Encoded, encode
from spanheap.otlp.messages import Messages
from spanheap.otlp.settings import settings
from spanheap.telemetry import profiles_gauge

if TYPE_CHECKING:
    from spanheap.session import Session

logger = logging.getLogger("spanheap")

_RETRYABLE = (429, 502, 503, 504)   # as the protocol has it
_FIRST_BACKOFF_S = 1.0
_MAX_PAUSE_S = 900.0       # that a receiver may ask for by Retry-After
_JOIN_S = 2.0              # for which a shutdown waits for the thread; resolving a name cannot be interrupted


class ProfilesExporter:
    """Exports the heap of a session as OTLP profiles, from `start()` until `stop()` or the session's end."""

    def __init__(
        self, session: Session, *, endpoint: str | None = None, interval: float = 60.0,
        headers: Mapping[str, str] | None = None, timeout: float | None = None, compression: str | None = None,
        certificate: str | None = None, max_samples: int = 10_000, max_bytes: int = 8 << 20,
    ) -> None:
        """endpoint: `http://collector:4318`, to which `/v1development/profiles` is added unless it ends so; by default
        OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT, as with headers, timeout (seconds for an export,
        retries included), compression ("gzip" or "none") and certificate (a file). interval: seconds from one export to the
        next. max_samples, max_bytes (of the message before compression): what does not fit is merged into "<other>".

        Raises ProfilesUnavailable where opentelemetry-proto is missing or does not fit, ValueError or TypeError for an
        option that cannot be, OSError where a certificate cannot be read.
        """
        self._interval = _number("interval", interval, 0.05, 86_400)
        self._max_samples = int(_number("max_samples", max_samples, 1, 1_000_000))
        self._max_bytes = int(_number("max_bytes", max_bytes, 1024, 64 << 20))
        self._settings = settings(endpoint, headers, timeout, compression, certificate)
        self._messages = Messages()
        self._session = weakref.ref(session)
        self._counts = dict.fromkeys(ProfilesCounts._fields, 0)
        self._logged: set[str] = set()
        self.cpu_s = 0.0
        """Of the thread."""
        self._reset()
        profiles_gauge.export(self, session._profiler.options.meter_provider)

    def _reset(self) -> None:
        """To the beginning, but for the counts: locks may have been held in the process that was forked."""
        self._client = Client(self._settings)
        self._pid = os.getpid()
        self._stop = threading.Event()
        self._exporting = threading.Lock()   # one export at a time: the thread's, or one that somebody asks for
        self._thread: threading.Thread | None = None
        self._not_before = 0.0   # monotonic: a receiver has asked to be left alone until then

    @property
    def url(self) -> str:
        """Where it sends to."""
        return self._settings.url

    def counts(self) -> ProfilesCounts:
        """What became of the exports so far."""
        return ProfilesCounts(**self._counts)

    # ------------------------------------------------------------ life

    def start(self) -> ProfilesExporter:
        """Begin to export, the first time after `interval` seconds. Raises SpanheapError where the session has ended."""
        session = self._session()
        if session is None or not session._running:
            raise SpanheapError("this session was shut down; its heap cannot be exported")
        profiler = session._profiler
        if profiler.profiles is not None and profiler.profiles is not self:
            profiler.profiles.stop()
        profiler.profiles = self
        if self._stop.is_set():   # after a stop()
            self._reset()
        self.ensure_running()
        return self

    def ensure_running(self) -> None:
        """Start the thread unless it runs; in the child of a fork it does not."""
        if self._pid != os.getpid():
            self._reset()
        if self._thread is None and not self._stop.is_set():
            thread = threading.Thread(target=self._run, name="spanheap-profiles", daemon=True)
            try:
                thread.start()
                self._thread = thread
            except RuntimeError as error:   # no more threads: the next tick tries again
                self._log("thread", "no thread to export profiles (%s); profiling goes on", error)

    def stop(self) -> None:
        """Export no more. Returns soon, also where a receiver does not answer."""
        if self._pid != os.getpid():
            return
        self._stop.set()
        self._client.abort()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        stop, before = self._stop, self.cpu_s
        with _core.Muted():
            while not stop.wait(max(self._interval, self._not_before - time.monotonic())):
                session = self._session()
                if session is None or not session._running:
                    return
                self._export(session)
                self.cpu_s = before + time.thread_time()
                del session   # waiting, the thread keeps nobody's session

    # ------------------------------------------------------------ one export

    def export(self) -> bool:
        """Export now, on the calling thread, which waits for at most `timeout` seconds. False: it was counted as lost."""
        session = self._session()
        if session is None or not session._running:
            return False
        if self._pid != os.getpid():
            self._reset()
        with _core.Muted():
            return self._export(session)

    def _export(self, session: Session) -> bool:
        with self._exporting:
            try:
                encoded = self._encode(session)
                return encoded is not None and self._send(encoded)
            except Exception as error:
                if not self._stop.is_set():
                    self._counts["failed"] += 1
                    self._log("failed", "a profile could not be exported (%s: %s); profiling goes on",
                              type(error).__name__, error)
                return False

    def _encode(self, session: Session) -> Encoded | None:
        snapshot, profiler = session.snapshot(), session._profiler
        try:
            encoded = encode(
                self._messages, snapshot, profiler.resource() or environment_resource(),
                seconds=time.monotonic() - profiler.started, max_samples=self._max_samples, max_bytes=self._max_bytes)
        except ValueError as error:
            self._counts["too_large"] += 1
            self._log("too_large", "a profile is not exported: %s", error)
            return None
        self._counts["merged_samples"] += encoded.merged
        return encoded

    def _send(self, encoded: Encoded) -> bool:
        gzipped = self._settings.gzip
        body = gzip.compress(encoded.body, 6) if gzipped else encoded.body
        deadline = time.monotonic() + self._settings.timeout_s
        backoff = _FIRST_BACKOFF_S
        while True:
            outcome, detail, asked = self._attempt(body, gzipped, deadline)
            if outcome == "exported":
                return True
            left = deadline - time.monotonic()
            pause = backoff * random.uniform(0.8, 1.2) if asked is None else asked
            if outcome not in ("unavailable", "unreachable") or pause >= left or self._stop.wait(pause):
                break
            self._counts["retries"] += 1
            backoff *= 2
        if asked is not None:
            self._not_before = time.monotonic() + min(asked, _MAX_PAUSE_S)
        if not self._stop.is_set():   # else it was we who broke it off
            self._counts[outcome] += 1
            self._log(outcome, "profiles do not arrive at %s: %s; they are counted as lost, and profiling goes on",
                      self.url, detail)
        return False

    def _attempt(self, body: bytes, gzipped: bool, deadline: float) -> tuple[str, str, float | None]:
        """(what came of it, in words, for how long the receiver wants to be left alone)"""
        try:
            response = self._client.post(body, gzipped=gzipped, timeout_s=max(deadline - time.monotonic(), 0.001))
        except TimeoutError:
            return "timed_out", f"no answer in {self._settings.timeout_s:g} s", None
        except OSError as error:
            return "unreachable", str(error) or type(error).__name__, None
        self._counts["bytes"] += len(body)
        if 200 <= response.status < 300:
            self._counts["exported"] += 1
            self._read_partial(response)
            return "exported", "", None
        if response.status in _RETRYABLE:
            return "unavailable", f"status {response.status}", response.retry_after_s()
        hint = " (does it receive profiles over HTTP there?)" if response.status in (404, 405, 415) else ""
        return "refused", f"status {response.status}{hint}", None

    def _read_partial(self, response: Response) -> None:
        """What a receiver that took it has to say about it."""
        try:
            answer = self._messages.service.ExportProfilesServiceResponse.FromString(response.body)
        except Exception:   # an empty answer, or JSON: it was accepted
            return
        partial = answer.partial_success
        self._counts["rejected_profiles"] += max(partial.rejected_profiles, 0)
        if partial.error_message:
            self._log("partial", "the receiver of profiles says: %s", partial.error_message[:200])

    def _log(self, kind: str, message: str, *arguments: object) -> None:
        """The first time of each kind: what goes on is counted."""
        if kind not in self._logged:
            self._logged.add(kind)
            logger.warning("spanheap: " + message, *arguments)


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} = {value!r}: must be between {low:,} and {high:,}")
    return float(value)
