"""A limit that the kernel enforces: a memory cgroup, where one can be made."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

MEMORY_CGROUPS = Path("/sys/fs/cgroup/memory")   # v1
_numbers = itertools.count()


@contextlib.contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[list[str] | None]:
    """The beginning of a command that runs the rest of it under this limit; None where no cgroup can be made."""
    folder = MEMORY_CGROUPS / f"spanheap-test-{os.getpid()}-{next(_numbers)}"
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    try:
        (folder / "memory.limit_in_bytes").write_text(str(limit_bytes))
        yield ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"]
    finally:
        for _ in range(100):   # until the kernel has let go of the dead
            with contextlib.suppress(OSError):
                folder.rmdir()
                break
            time.sleep(0.05)
