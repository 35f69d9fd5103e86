"""The instruments at a meter provider, and the session's part in them.

Callbacks run on the reader's thread. Instruments cannot be taken back, so they are made once a meter provider and
report nothing while no session runs. A callback raises nothing: what fails is counted, and logged the first time.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spanheap import _core
from spanheap.running import current
from spanheap.telemetry.catalogue import INSTRUMENTS
from spanheap.telemetry.gc_pauses import BOUNDARIES, GcPauses
from spanheap.telemetry.instrument import SCHEMA_URL, Instrument
from spanheap.telemetry.reading import Reading
from spanheap.version import __version__

if TYPE_CHECKING:
    from spanheap.session import Session

logger = logging.getLogger("spanheap")

_CREATE = {
    "observable gauge": "create_observable_gauge",
    "observable counter": "create_observable_counter",
    "observable up-down counter": "create_observable_up_down_counter",
}


class Telemetry:
    """One a session."""

    def __init__(self, session: Session, meter_provider: Any | None, given_limit: int | None) -> None:
        self.errors = 0
        self.reading = Reading(session, given_limit)
        self._provider = meter_provider
        self._pauses = GcPauses()
        self._histogram: Any = None

    @property
    def lost_pauses(self) -> int:
        return self._pauses.lost

    def start(self) -> None:
        self._histogram = attach(self._provider)
        self._pauses.start()

    def stop(self) -> None:
        self._pauses.stop()

    def forked(self) -> None:
        self._pauses.forget()

    def tick(self, now: float) -> None:
        """Raises nothing."""
        try:
            self.reading.tick(now)
            self._pauses.record(self._histogram)
        except Exception:
            self.failed("the tick")

    def failed(self, what: str) -> None:
        """From an except clause."""
        self.errors += 1
        if self.errors == 1:
            logger.exception("spanheap: metrics: %s failed; later failures are only counted", what)


_histograms: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()   # of the providers that have them all
_proxy: Any = None         # the global one when instruments were last made there
_lock = threading.Lock()   # a provider must not get two sets


def attach(provider: Any | None) -> Any:
    """Make the instruments at this meter provider, or the global one; returns the histogram of pauses."""
    global _proxy
    from opentelemetry import metrics

    if provider is None:
        provider = metrics.get_meter_provider()
    with _lock:
        histogram = _histograms.get(provider)
        if provider is metrics.get_meter_provider():
            # It is set once. One that was there before is the API's proxy, and what that was asked for, this has made: the
            # SDK of old warns of each instrument that is made twice.
            if histogram is None and _proxy is not None:
                histogram = _histograms.get(_proxy)
            _proxy = provider
        if histogram is None:
            histogram = _create(provider)
        _histograms[provider] = histogram
    return histogram


def _create(provider: Any) -> Any:
    meter = provider.get_meter("spanheap", __version__, schema_url=SCHEMA_URL)
    histogram = None
    for instrument in INSTRUMENTS:
        if instrument.read is None:
            histogram = _histogram(meter, instrument)
        else:
            create = getattr(meter, _CREATE[instrument.kind])
            create(instrument.name, [_callback(instrument)], instrument.unit, instrument.description)
    return histogram


def _histogram(meter: Any, instrument: Instrument) -> Any:
    try:
        return meter.create_histogram(instrument.name, instrument.unit, instrument.description,
                                      explicit_bucket_boundaries_advisory=BOUNDARIES)
    except TypeError:   # before 1.30: the buckets are for a View to say
        return meter.create_histogram(instrument.name, instrument.unit, instrument.description)


def _callback(instrument: Instrument) -> Callable[[Any], list[Any]]:
    from opentelemetry.metrics import Observation

    read = instrument.read
    assert read is not None

    def observe(_options: Any) -> list[Any]:
        session = current()
        if session is None or not _core.running():
            return []
        with _core.Muted():
            try:
                return [Observation(value, attributes) for value, attributes in read(session._profiler.telemetry.reading)]
            except Exception:
                session._profiler.telemetry.failed(instrument.name)
                return []

    return observe


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()   # a thread that is not here may have held it


os.register_at_fork(after_in_child=_after_fork_in_child)
