"""The flight recorder of a session: claims its file, writes into it once a tick, says how the session ended."""

from __future__ import annotations

import os
import sys

from spanheap import _core, memory_limit, process
from spanheap.errors import RecorderError
from spanheap.recorder import machine, place, predecessor
from spanheap.recorder.predecessor import PredecessorDeath
from spanheap.version import __version__

_LIMITS_EVERY = 60   # ticks: limits hardly ever change, and looking for them takes ten times as long as reading them
_TEXT = 64           # bytes of a text in the header


class FlightRecorder:
    """Records into one file, from open() to close(). Not thread-safe: the session's tick and shutdown take turns."""

    def __init__(
        self, path: str, *, span_capacity: int, span_ttl: float, sample_interval: int, tick: float | None
    ) -> None:
        self._pattern = path
        self.memory = _core.Recorder(span_capacity, span_ttl, float(sample_interval), tick or 0.0)
        self._fd: int | None = None
        self._log: _core.SpanLog | None = None
        self._limits: list[memory_limit.Limit] = []
        self._ticks = 0
        self.path = ""
        """Of this process's file; "": it has none."""
        self.is_orphaned = False
        """This is the child of a fork, which may open() a file of its own."""
        self.deaths: list[PredecessorDeath] = []

    def open(self, log: _core.SpanLog, service: str) -> None:
        """Claim the file and record into it, with what is in memory by now. RecorderError: nothing is recorded."""
        self.is_orphaned = False
        path = os.path.abspath(place.filled_in(self._pattern))
        fd, kept = place.claim(path)
        try:
            error = self.memory.attach(
                fd, log, bytes.fromhex(machine.boot_id()), os.getpid(), machine.pid_namespace(),
                machine.process_start("self"),
                _cut(os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"), _cut(service),
                _cut(sys.version.partition(" ")[0]), _cut(__version__),
            )
            if error:
                raise RecorderError(f"no flight recorder: {path} cannot get its {self.memory.nbytes:,} bytes: "
                                    f"{os.strerror(error)}")
        except BaseException:
            _discard(fd, path)
            raise
        self._fd, self._log, self.path = fd, log, path
        self.write()   # a process that ends within its first tick has left a point
        # Older ones, too: a start that was killed may have renamed a file and not have come to report it.
        self.deaths = [death for name in place.predecessors(path) if (death := predecessor.of_path(name, new=name == kept))]
        self.deaths += predecessor.of_siblings(os.path.abspath(self._pattern))
        for death in self.deaths:
            predecessor.report(death)

    def write(self) -> None:
        """One point of the memory curve, and the largest sites and spans."""
        if self._fd is None:
            return
        if self._ticks % _LIMITS_EVERY == 0:
            self._limits = memory_limit.find()
        self._ticks += 1
        resident = process.memory()
        usage = memory_limit.tightest(self._limits)
        self.memory.write(
            resident.resident if resident else 0, usage.bytes if usage else 0, usage.limit.bytes if usage else 0)

    def close(self, exception: type[BaseException] | None) -> None:
        """The last point and how the session ended; from here on the file is left alone."""
        if self._fd is None:
            return
        self.write()
        name = "" if exception is None else f"{exception.__module__}.{exception.__qualname__}".removeprefix("builtins.")
        self.memory.end(name.encode("utf-8", "replace") if name else None)
        if self.memory.detach():   # else it is in use still, and stays locked
            os.close(self._fd)
            self._fd = None
        self.path = ""

    def forked(self) -> None:
        """In the child of a fork: the file is the parent's. A path with {pid} in it is another for each process."""
        if self._fd is not None:
            os.close(self._fd)   # the lock is the parent's as long as it has the file open
            self._fd = None
            self.is_orphaned = "{pid}" in self._pattern
        self.path = ""
        self.deaths = []
        self._ticks = 0


def _cut(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:_TEXT].decode("utf-8", "ignore").encode()


def _discard(fd: int, path: str) -> None:
    """A file that could not be made: it is not to be taken for that of a process that died."""
    try:
        os.unlink(path)
    except OSError:
        pass
    finally:
        os.close(fd)
