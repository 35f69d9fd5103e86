"""What a dump is compared with: the heap soon after the start, held in memory until a dump needs it beside it.

In memory, because most services never write a dump: 20 to 400 KB of compressed aggregates, in a file without a name
(memfd) that the kernel frees with the process, whatever ends it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

_MAX_BYTES = 16 << 20


class Baseline:
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
    def of_file(cls, path: Path) -> Baseline:
        """An earlier dump serves as well."""

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
