"""Where a recorder file is, whose it is, and what becomes of the one that is there already.

A path is claimed by a lock on the file behind it, which the kernel takes back from a process that ends in whatever way.
What is there and not locked is a predecessor's: it is renamed to PATH.1 (what is there to PATH.2, and so on: KEPT of them),
so that a file, once somebody's, is never written by another. What is no recorder file is not touched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator

from spanheap.errors import RecorderError
from spanheap.recorder import layout

KEPT = 3            # predecessors of one path
KEPT_SIBLINGS = 8   # dead files of other processes, where {pid} in the path gives each its own
_ATTEMPTS = 20      # a reader that looks whether the file is locked has it locked for some microseconds
_PAUSE_S = 0.005
_LISTED = 10_000    # names looked at in a folder


def filled_in(path: str) -> str:
    """The path of this process's file."""
    return path.replace("{pid}", str(os.getpid()))


def claim(path: str) -> tuple[int, str | None]:
    """A new, empty, locked file at this path, open for writing; and where the predecessor's file is now, if there was one.

    Raises RecorderError with the way out."""
    kept = None
    for _ in range(_ATTEMPTS):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError as error:
            raise _failed(path, error) from error
        except UnicodeEncodeError as error:
            raise RecorderError(f"no flight recorder: {path!r} cannot be made: no file can have this name "
                                f"({error.encoding}: {error.reason}); pass another path") from error
        try:
            what = _take(fd, path)
            if what == "new":
                os.pwrite(fd, layout.MAGIC, 0)   # ours from here on, whenever this process ends
                return fd, kept
            if what == "predecessor":
                kept = _rotate(path)
        except OSError as error:
            os.close(fd)
            raise _failed(path, error) from error
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)   # and with it the lock
        if what == "moved":
            time.sleep(_PAUSE_S)
    raise RecorderError(f"no flight recorder: {path} is being replaced by others all the time; put {{pid}} into the path")


def _take(fd: int, path: str) -> str:
    """Lock it; what it is then: "new", "predecessor", or "moved" if it is not at the path any more."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise RecorderError(f"no flight recorder: {path} is not a regular file; pass the path of a file that may be made")
    if found.st_uid != os.geteuid():
        raise RecorderError(f"no flight recorder: {path} belongs to another user (uid {found.st_uid}); pass another path")
    if not _lock(fd):
        raise RecorderError(f"no flight recorder: another process{_number(fd)} records into {path}; "
                            "put {pid} into the path to give each process its own")
    with contextlib.suppress(FileNotFoundError):
        there = os.lstat(path)
        if (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino):
            found = os.fstat(fd)   # again, now that nobody else writes
            if found.st_size == 0:
                os.fchmod(fd, 0o600)
                return "new"
            if not is_ours(fd):
                raise RecorderError(f"no flight recorder: {path} exists and is not a recorder file; it is left as it is. "
                                    "Pass another path, or move it away")
            return "predecessor"
    return "moved"


def _lock(fd: int) -> bool:
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_PAUSE_S)
    return False


def _number(fd: int) -> str:
    header = os.pread(fd, layout.HEADER.size, 0)
    if len(header) < layout.HEADER.size or not header.startswith(layout.MAGIC):
        return ""
    return f" ({layout.HEADER.unpack(header)[5]})"


def is_ours(fd: int) -> bool:
    """Whether this open file is a recorder file, or the beginning of one."""
    return os.pread(fd, len(layout.MAGIC), 0) == layout.MAGIC


def _rotate(path: str) -> str:
    """Rename the predecessor's file. None of those that make room for it may be somebody else's."""
    names = [path, *predecessors(path)]
    for name in names[1:]:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                ours = stat.S_ISREG(os.fstat(fd).st_mode) and is_ours(fd)
            finally:
                os.close(fd)
            if not ours:
                raise RecorderError(f"no flight recorder: {name} is in the way of the last process's file and is not a "
                                    "recorder file; move it away, or pass another path")
    for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
        with contextlib.suppress(FileNotFoundError):
            os.rename(newer, older)
    return names[1]


def predecessors(path: str) -> list[str]:
    """Where the files of earlier processes of this path are kept, newest first."""
    return [f"{path}.{n}" for n in range(1, KEPT + 1)]


def siblings(pattern: str) -> list[str]:
    """The other files that this path, which has {pid} in its last part, has been given to, newest first."""
    folder, name = os.path.split(pattern)
    before, found, after = name.partition("{pid}")
    if not found or "{pid}" in folder:
        return []
    shape = re.compile(re.escape(before) + r"(\d{1,10})" + re.escape(after))
    dated = []
    with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
        for _, entry in zip(range(_LISTED), entries, strict=False):
            match = shape.fullmatch(entry.name)
            if match and int(match[1]) != os.getpid():
                with contextlib.suppress(OSError):
                    dated.append((entry.stat(follow_symlinks=False).st_mtime, os.path.join(folder, entry.name)))
    return [path for _, path in sorted(dated, reverse=True)]


@contextlib.contextmanager
def locked(path: str) -> Iterator[int | None]:
    """The recorder file at this path, if nobody records into it: open for reading and writing, and locked. Else None."""
    fd = None
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if fd is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISREG(os.fstat(fd).st_mode) and is_ours(fd):
                    yield fd
                    return
        yield None
    finally:
        if fd is not None:
            os.close(fd)


def remove(path: str) -> None:
    """A dead process's file, with those that it kept."""
    for name in (path, *predecessors(path)):
        with locked(name) as fd:
            if fd is not None:
                with contextlib.suppress(OSError):
                    os.unlink(name)


def _failed(path: str, error: OSError) -> RecorderError:
    if error.errno == errno.ELOOP:
        return RecorderError(f"no flight recorder: {path} is a symbolic link, which is not followed; pass the file's path")
    return RecorderError(f"no flight recorder: {path} cannot be made: {error.strerror}")
