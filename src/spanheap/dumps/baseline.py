"""What a dump is compared with: the heap soon after the start, held in memory until a dump needs it beside it.

    first tick ──► the base of all dumps ── `baseline_after` ──► replaced by that of the warm service

The first is there so that a process that is in trouble at once has one beside its dump as well. In memory, because most
services never write a dump: 20 to 400 KB of compressed aggregates, in a file without a name (memfd) that the kernel frees
with the process, whatever ends it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spanheap import _core
from spanheap.dumps.loading import load

if TYPE_CHECKING:
    from spanheap.session import Session

_MAX_BYTES = 16 << 20


class Baseline:
    """Of a session's automatic dumps, which see to it that these are called one at a time."""

    def __init__(self, after: float) -> None:
        """after: seconds after the first tick at which the service counts as warm."""
        self._after = after
        self.reset()

    def reset(self) -> None:
        """In the beginning, and in the child of a fork."""
        self.sites: dict[int, float] = {}   # what is held shows, as Capture.site_bytes() has it
        self._held: _HeldFile | None = None
        self._due = [0.0, self._after] if self._after else [0.0]   # of age; one that failed is not tried again

    def close(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def capture(self, session: Session, age: float) -> None:
        """If it is time to, and nobody dumps. Aggregates and a few comments: no holders are looked for. Raises OSError,
        MemoryError, or AttributeError for a libc without memfd_create."""
        if not self._due or age < self._due[0] or not session._profiler.dump_lock.acquire(False):
            return
        try:
            self._due = [at for at in self._due if at > age]
            load("dumps.description")
            from spanheap.dumps import description

            capture = _core.Capture()
            lines = description.lines(capture, session._profiler.resource(), "baseline", _core.hook_mode())
            comments = [line.encode("utf-8", "replace") for line in lines]
            self._hold(_HeldFile(lambda fd: capture.write(fd, b"", comments, 0)))
            self.sites = capture.site_bytes()
        finally:
            session._profiler.dump_lock.release()

    def copy_beside(self, dump: Path, name: str) -> None:
        """Under that name. Where nothing could be captured the dump serves the next as one. Raises OSError."""
        if self._held is not None:
            self._held.copy_to(dump.with_name(name))
        else:
            self._hold(_HeldFile.of_file(dump))   # its sites are not known, so all is growth

    def _hold(self, held: _HeldFile) -> None:
        self.close()
        self._held = held


class _HeldFile:
    """Raises OSError where the system has no such files, or no memory."""

    def __init__(self, write: Callable[[int], int]) -> None:
        """write: a dump to the descriptor it is given; returns 0 or an errno."""
        self._fd = os.memfd_create("spanheap-baseline", os.MFD_CLOEXEC)
        try:
            error = write(self._fd)
            if error:
                raise OSError(error, os.strerror(error))
        except BaseException:
            self.close()
            raise

    @classmethod
    def of_file(cls, path: Path) -> _HeldFile:

        def copy(fd: int) -> int:
            with open(path, "rb") as f:
                data = f.read(_MAX_BYTES)
            return 0 if os.write(fd, data) == len(data) else 5   # EIO

        return cls(copy)

    def copy_to(self, target: Path) -> None:
        """Beside a dump, and like it: whole or absent, 0600, no links followed. Raises OSError."""
        temporary = target.with_name(f".spanheap-{os.urandom(8).hex()}.tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                offset = 0
                while sent := os.sendfile(fd, self._fd, offset, 1 << 20):
                    offset += sent
                os.fsync(fd)
            finally:
                os.close(fd)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()
