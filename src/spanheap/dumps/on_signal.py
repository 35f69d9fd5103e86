"""A signal that asks for something, a dump say. Its handler only says so; the tick does it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger("spanheap")

# What nobody sends to end a process, though it would: without a handler of the application's these are ours to take.
_FREE_TO_TAKE = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGPROF, signal.SIGVTALRM, signal.SIGALRM, signal.SIGIO}


class SignalRequest:
    """Installed by the main thread; from then on `asked` is set, and `times` counted, when the signal arrives."""

    def __init__(self, number: int, what: str = "dump") -> None:
        self.asked = False
        self.times = 0
        self.number = number
        self._what = what
        self._previous: Callable[[int, FrameType | None], object] | int | None = None
        self._installed = self._replaced = False

    @property
    def name(self) -> str:
        known = self.number in signal.Signals._value2member_map_   # real-time signals have none
        return signal.Signals(self.number).name if known else str(self.number)

    def install(self) -> None:
        """Where that cannot be, the log says why."""
        name = self.name
        previous = signal.getsignal(self.number)
        ends = previous is signal.SIG_DFL and self.number not in _FREE_TO_TAKE and self.number < signal.SIGRTMIN
        if ends and self.number not in (signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT):
            logger.warning("spanheap: no %s on %s: it has no handler, and one of spanheap's would keep it from ending the "
                           "process; choose SIGUSR2", self._what, name)
            return
        try:
            signal.signal(self.number, self._handle)
        except (ValueError, OSError) as error:
            logger.warning("spanheap: no %s on %s: %s", self._what, name, error)
            return
        self._previous, self._installed = previous, True

    def remove(self) -> None:
        """If the handler is still ours; another thread than the main one cannot, and leaves one that does nothing."""
        if self.is_in_place:
            try:
                signal.signal(self.number, self._previous if self._previous is not None else signal.SIG_DFL)
                self._installed = False
            except (ValueError, OSError):
                pass

    @property
    def is_in_place(self) -> bool:
        """False: it was not installed, or another handler was put in its place."""
        return self._installed and signal.getsignal(self.number) == self._handle

    def look_after(self) -> None:
        """Say once that another handler was put in the place of this."""
        if self._installed and not self._replaced and not self.is_in_place:
            self._replaced = True
            logger.warning("spanheap: no %s on %s any more: the service, or its server, has replaced the handler; choose "
                           "another signal, say SIGIO", self._what, self.name)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self.times += 1
        if callable(self._previous):
            self._previous(number, frame)
