"""A signal that asks for a dump. Its handler only says so; the tick writes."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger("spanheap")

# What nobody sends to end a process, though it would: without a handler of the application's these are ours to take.
_FREE_TO_TAKE = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGPROF, signal.SIGVTALRM, signal.SIGALRM, signal.SIGIO}


class SignalRequest:
    """Installed by the main thread; `asked` is set from then on when the signal arrives."""

    def __init__(self, number: int) -> None:
        self.asked = False
        self._number = number
        self._previous: Callable[[int, FrameType | None], object] | int | None = None
        self._installed = False

    def install(self) -> None:
        """Where that cannot be, the log says why."""
        name = signal.Signals(self._number).name if self._number in signal.Signals._value2member_map_ else str(self._number)
        previous = signal.getsignal(self._number)
        ends = previous is signal.SIG_DFL and self._number not in _FREE_TO_TAKE and self._number < signal.SIGRTMIN
        if ends and self._number not in (signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT):
            logger.warning("spanheap: no dump on %s: it has no handler, and one of spanheap's would keep it from ending the "
                           "process; choose SIGUSR2", name)
            return
        try:
            signal.signal(self._number, self._handle)
        except (ValueError, OSError) as error:
            logger.warning("spanheap: no dump on %s: %s", name, error)
            return
        self._previous, self._installed = previous, True

    def remove(self) -> None:
        """If the handler is still ours; another thread than the main one cannot, and leaves one that does nothing."""
        if self._installed and signal.getsignal(self._number) == self._handle:
            try:
                signal.signal(self._number, self._previous if self._previous is not None else signal.SIG_DFL)
                self._installed = False
            except (ValueError, OSError):
                pass

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if callable(self._previous):
            self._previous(number, frame)
