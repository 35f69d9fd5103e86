"""The dump that needs no memory: everything is opened, named and encoded beforehand; writing it is one call into C."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from spanheap import _core
from spanheap.dumps import description, folder

REASONS = ("memory_error", "memory_limit")


class PreparedDump:
    """One dump, ready. Raises OSError or MemoryError."""

    def __init__(self, directory: Path, resource: dict[str, Any], session_started: float) -> None:
        """session_started: of time.monotonic()."""
        self.pid = os.getpid()
        self.path = directory / folder.new_name(emergency=True)
        comments = [line.encode("utf-8", "replace").replace(b"\0", b" ") for line in description.fixed_lines(resource)]
        program = os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable or "python")
        self._folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._dump = _core.EmergencyDump(
                self._folder, f".spanheap-{os.urandom(8).hex()}.tmp".encode(), os.fsencode(self.path.name),
                program.encode("utf-8", "replace"), comments, [f"reason={reason}".encode() for reason in REASONS],
                int(session_started * 1e9),
            )
        except BaseException:
            self.close()
            raise

    def write(self, reason: int) -> int:
        """reason: an index into REASONS. Returns 0 or an errno. Allocates nothing."""
        return self._dump.write(reason)

    def is_in_place(self) -> bool:
        """Whether the folder is still the one under its name. 4 us."""
        try:
            return os.path.samestat(os.fstat(self._folder), os.stat(self.path.parent))
        except OSError:
            return False

    def close(self) -> None:
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def __del__(self) -> None:
        self.close()

