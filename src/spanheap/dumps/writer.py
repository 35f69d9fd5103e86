"""Dump files: where they go, and how they get there whole.

A dump is written beside its final place, synced and renamed, so that the name never shows half a file; mode
0600; symbolic links are not followed. What fails raises DumpError with the path, the reason and the way out, and
leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
import time
from pathlib import Path

from spanheap import _core
from spanheap.errors import DumpError


def default_directory() -> Path:
    """`$XDG_STATE_HOME/spanheap`, or a folder of this user's in the temporary directory; made with mode 0700."""
    state = os.environ.get("XDG_STATE_HOME")
    directory = Path(state, "spanheap") if state else Path(tempfile.gettempdir(), f"spanheap-{os.getuid()}")
    try:
        directory.mkdir(mode=0o700, parents=bool(state), exist_ok=True)
        found = os.lstat(directory)
    except OSError as error:
        raise _failed(directory, error) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise DumpError(
            f"no dump written: {directory} must be a directory of this user's that nobody else can write to; "
            f"pass a path, or set XDG_STATE_HOME"
        )
    return directory


def target_path(path: str | os.PathLike[str] | None) -> Path:
    """Where this dump goes: the path given (`{pid}` filled in; a directory gets a file name), or the default."""
    name = f"spanheap-{os.getpid()}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(3).hex()}.pb.gz"
    if path is None:
        return default_directory() / name
    target = Path(os.fsdecode(path).replace("{pid}", str(os.getpid())))
    try:
        return target / name if target.is_dir() else target
    except OSError as error:   # a parent that may not be entered; newer Pythons say "no directory"
        raise _failed(target, error) from error


def _failed(path: Path, error: OSError) -> DumpError:
    return DumpError(f"no dump written to {path}: {os.strerror(error.errno or 0)}")


def write(capture: _core.Capture, target: Path, comments: list[str], duration_s: float) -> Path:
    """Write the capture to target. Raises DumpError; the target is then as it was."""
    temporary = target.with_name(f".spanheap-{os.urandom(8).hex()}.tmp")   # short: the target's name may be a long one
    program = os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable or "python")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            error = capture.write(
                fd,
                program.encode("utf-8", "replace"),
                [line.encode("utf-8", "replace") for line in comments],
                round(duration_s * 1e9),
            )
            if error:
                raise OSError(error, os.strerror(error))
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, target)
    except BaseException as error:   # an interrupt leaves nothing behind either
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise _failed(target, error) from error
        raise
    _sync_directory(target.parent)
    return target


def _sync_directory(directory: Path) -> None:
    """Makes the rename last; some file systems cannot, and the file is there all the same."""
    with contextlib.suppress(OSError):
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
