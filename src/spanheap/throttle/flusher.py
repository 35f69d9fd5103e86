"""Asking a processor to flush without waiting for it: an exporter that stalls would hold up whoever asks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from spanheap import _core

logger = logging.getLogger("spanheap")


class Flusher:
    """Runs `flush` on a thread of its own, never twice at once."""

    def __init__(self, flush: Callable[[], object]) -> None:
        self._flush = flush
        self._busy = threading.Lock()   # held by the thread that flushes; never waited for

    def ask(self) -> bool:
        """Whether a flush has begun: not while one runs, nor where no thread is to be had."""
        if not self._busy.acquire(blocking=False):
            return False
        try:
            threading.Thread(target=self._run, name="spanheap-throttle-flush", daemon=True).start()
        except RuntimeError:
            self._busy.release()
            return False
        return True

    def forget(self) -> None:
        """In the child of a fork, where the thread that flushes is not."""
        self._busy = threading.Lock()

    def _run(self) -> None:
        busy = self._busy
        try:
            with _core.Muted():
                self._flush()
        except Exception:
            logger.exception("spanheap: the flush that the throttle asked for failed")
        finally:
            busy.release()
