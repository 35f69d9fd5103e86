"""The thread that ticks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from spanheap import _core

logger = logging.getLogger("spanheap")


class Ticker:
    """Calls `tick(now)` every `interval` seconds from a daemon thread, until stopped or until it returns False.

    What it raises is counted, and logged the first time.
    """

    def __init__(self, interval: float, *, name: str = "spanheap-tick", what: str = "profiling") -> None:
        self._interval = interval
        self._name = name
        self._what = what
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.cpu_s = 0.0
        self.errors = 0

    def forget(self) -> None:
        """In the child of a fork, where the thread is gone and may have held the event. start() begins anew."""
        self._stop = threading.Event()
        self._thread = None

    def start(self, tick: Callable[[float], bool | None]) -> None:
        """Not while it runs."""
        self._stop = threading.Event()
        # The thread alone holds on to tick (hence to the session): no cycle is left for the collector when it ends.
        self._thread = threading.Thread(target=self._run, args=(tick,), name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when no tick is running any more."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def _waited(self, stop: threading.Event) -> bool:
        """Event.wait makes a lock: where there is no memory for one, a thread that must go on sleeps instead."""
        try:
            return stop.wait(self._interval)
        except MemoryError:
            time.sleep(self._interval)
            return stop.is_set()

    def _run(self, tick: Callable[[float], bool | None]) -> None:
        stop = self._stop
        before = self.cpu_s   # in a forked child, what it inherited: a counter does not fall
        with _core.Muted():
            while not self._waited(stop):
                try:
                    if tick(time.time()) is False:
                        return
                except MemoryError:   # there may be none to log it with either
                    self.errors += 1
                except Exception:
                    self.errors += 1
                    if self.errors == 1:
                        logger.exception("spanheap: a tick failed; %s goes on", self._what)
                self.cpu_s = before + time.thread_time()
