"""Sampling at another rate, or not at all, while a session runs: by `Session.configure()` or a signal."""

from __future__ import annotations

import logging
import threading

from spanheap import _core
from spanheap.dumps.on_signal import SignalRequest

logger = logging.getLogger("spanheap")


class Switch:
    """One a session. The core does it; this knows what is wanted, and turns when the signal has come."""

    def __init__(self, interval: float, enabled: bool, number: int | None) -> None:
        """number: of the signal; None: there is none."""
        self.changes = 0
        self._interval = interval
        self._enabled = enabled
        self._resumed = False
        self._lock = threading.Lock()
        self._signal = SignalRequest(number, "switch") if number is not None else None
        self._times = 0        # that the signal had come when it was last answered

    def start(self) -> None:
        """With sampling on, as the core has just begun."""
        if not self._enabled:
            _core.set_rate(self._interval, False)
        if self._signal is not None:
            self._signal.install()

    def close(self) -> None:
        if self._signal is not None:
            self._signal.remove()

    def forked(self) -> None:
        """In the child: another thread may have held the lock. Signals that have not been answered are the parent's."""
        self._lock = threading.Lock()
        self._times = self._signal.times if self._signal is not None else 0

    def set(self, interval: float | None, enabled: bool | None) -> None:
        """None: as it is. What is so already is no change: the core's own doubling of the interval is left alone."""
        with self._lock:
            interval = self._interval if interval is None else interval
            enabled = self._enabled if enabled is None else enabled
            if (interval, enabled) == (self._interval, self._enabled):
                return
            # While it is off the core may go on with another interval; only then does it begin with the one asked for.
            _core.set_rate(interval, enabled)
            self._resumed |= enabled and not self._enabled
            self._interval, self._enabled = interval, enabled
            self.changes += 1
        logger.info("spanheap: sampling %s, one sample in %s bytes", "on" if enabled else "off", f"{interval:,.0f}")

    def tick(self) -> bool:
        """Answer the signal. Returns whether samples are taken."""
        if self._signal is not None:
            times = self._signal.times
            if (times - self._times) % 2:
                self.set(None, not self._enabled)
                logger.warning("spanheap: sampling switched %s by a signal", "on" if self._enabled else "off")
            self._times = times
            self._signal.look_after()
        return self._enabled

    def take_resumed(self) -> bool:
        """Whether sampling was switched on since the last call."""
        with self._lock:
            resumed, self._resumed = self._resumed, False
            return resumed
