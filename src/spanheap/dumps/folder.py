"""The folder of automatic dumps: which files are ours, how many stay, whether there is room.

    spanheap-auto-PID-TIME-HEX[-emergency].pb.gz    a dump
    spanheap-auto-….base.pb.gz                      what to compare it with: `go tool pprof -diff_base`
    .spanheap-….tmp                                 one that is being written
    .budget.json, .budget.lock                      see budget.py

Nothing else is ever removed: what was asked for by `Session.dump()` has another name. Symbolic links are not followed.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from pathlib import Path
from typing import NamedTuple

from spanheap.dumps import writer
from spanheap.errors import DumpError

_DUMP = re.compile(r"spanheap-auto-\d+-\d{8}T\d{6}Z-[0-9a-f]{6}(-emergency)?\.pb\.gz")
_TEMPORARY = re.compile(r"\.spanheap-[0-9a-f]+\.tmp")
_STALE_S = 3600.0   # a temporary file of a process that was killed
_MAX_LISTED = 20_000


class Found(NamedTuple):
    """A dump in the folder."""

    name: str
    mtime: float
    bytes: int   # with its base


def opened(path: str | os.PathLike[str] | None) -> Path:
    """The folder, made with mode 0700 if it is not there. Raises DumpError."""
    if path is None:
        return writer.default_directory()
    folder = Path(os.fsdecode(path).replace("{pid}", str(os.getpid()))).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise NotADirectoryError(20, "Not a directory")
    except OSError as error:
        raise DumpError(f"no dumps in {folder}: {os.strerror(error.errno or 0)}") from error
    return folder


def new_name(*, emergency: bool = False) -> str:
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return f"spanheap-auto-{os.getpid()}-{now}-{os.urandom(3).hex()}{'-emergency' if emergency else ''}.pb.gz"


def base_name(name: str) -> str:
    """Of the file beside a dump."""
    return name.removesuffix(".pb.gz") + ".base.pb.gz"


def dumps(folder: Path) -> list[Found]:
    """Automatic dumps in the folder, oldest first. Raises OSError."""
    sizes: dict[str, tuple[float, int]] = {}
    with os.scandir(folder) as entries:
        for i, entry in enumerate(entries):
            if i >= _MAX_LISTED:
                break
            if entry.name.startswith(("spanheap-auto-", ".spanheap-")):
                with contextlib.suppress(FileNotFoundError):   # another process removed it
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode):
                        sizes[entry.name] = found.st_mtime, found.st_size
    ours = [
        Found(name, mtime, size + sizes.get(base_name(name), (0.0, 0))[1])
        for name, (mtime, size) in sizes.items() if _DUMP.fullmatch(name)
    ]
    return sorted(ours, key=lambda found: (found.mtime, found.name))


def newest(folder: Path) -> Path | None:
    """The automatic dump that was written last. Raises OSError."""
    found = dumps(folder)
    return folder / found[-1].name if found else None


def tidy(folder: Path, *, keep: int, max_bytes: int) -> int:
    """After a dump was written: remove the oldest beyond `keep` or `max_bytes`, never the newest. Returns their number."""
    found = dumps(folder)
    size = sum(dump.bytes for dump in found)
    removed = 0
    while len(found) - removed > 1 and (len(found) - removed > keep or size > max_bytes):
        oldest = found[removed]
        for name in (base_name(oldest.name), oldest.name):
            with contextlib.suppress(OSError):
                os.unlink(folder / name)
        size -= oldest.bytes
        removed += 1
    with os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    found_file = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(found_file.st_mode) and time.time() - found_file.st_mtime > _STALE_S:
                        os.unlink(entry.path)
    return removed


def free_bytes(folder: Path) -> int:
    """Room on its disk for this user. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
