"""How a debug server is found by the number of its process: a small file for each, in a folder of the user's.

    $XDG_RUNTIME_DIR/spanheap/server-PID.json, or TEMPORARY/spanheap-UID/server-PID.json; mode 0600, in a folder 0700

It says which process is meant, so that a number that was given to another process since is noticed: an entry counts while
that process lives. What processes left behind that were killed is removed by the next one that writes. No token is in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spanheap.dumps import writer
from spanheap.dumps.policy import DumpPolicy
from spanheap.errors import SpanheapError
from spanheap.recorder import machine

FORMAT = "spanheap.server/1"
_NAME = re.compile(r"server-(\d{1,10})\.json")
_MOST_BYTES = 8192
_MOST_ENTRIES = 10_000


class Entry(NamedTuple):
    """What is known of a process that has a debug server."""

    pid: int
    url: str               # http://HOST:PORT or unix:PATH
    program: str
    needs_token: bool
    dump_signal: int       # 0: none, or its handler was replaced: sent, it would ask for something else
    dump_folder: str


class Written(NamedTuple):
    """The entry of this process."""

    path: Path
    pid: int
    dump_signal: int

    def remove(self) -> None:
        if self.pid == os.getpid():
            with contextlib.suppress(OSError):
                os.unlink(self.path)


def own_folder() -> Path:
    """Made if it is not there. Raises SpanheapError or OSError."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        folder = Path(runtime, "spanheap")
    else:
        folder = Path(tempfile.gettempdir(), f"spanheap-{os.geteuid()}")
    folder.mkdir(mode=0o700, parents=False, exist_ok=True)
    if not _is_private(folder, os.geteuid()):
        raise SpanheapError(f"{folder} must be a folder of this user's that nobody else can write to")
    return folder


def _is_private(folder: Path, owner: int) -> bool:
    found = os.lstat(folder)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not found.st_mode & 0o022


def write(url: str, *, needs_token: bool, dump_signal: int, dumps: DumpPolicy | None) -> Written:
    """Say where the server of this process is. dump_signal: 0 for none. Raises SpanheapError or OSError."""
    folder, pid = own_folder(), os.getpid()
    _tidy(folder)
    document = {
        "format": FORMAT, "pid": pid, "process_start": machine.process_start(pid), "boot_id": machine.boot_id(),
        "pid_namespace": machine.pid_namespace(), "url": url,
        "program": os.path.basename(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable or "python"),
        "needs_token": needs_token, "dump_signal": dump_signal, "dump_folder": _dump_folder(dumps) if dump_signal else "",
    }
    path, temporary = folder / f"server-{pid}.json", folder / f".server-{pid}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(document).encode())
    finally:
        os.close(fd)
    os.replace(temporary, path)
    return Written(path, pid, dump_signal)


def _dump_folder(dumps: DumpPolicy | None) -> str:
    if dumps is None or dumps.folder is None:
        state = os.environ.get("XDG_STATE_HOME")
        return str(Path(state, "spanheap")) if state else str(writer.default_directory())
    return str(Path(os.fsdecode(dumps.folder).replace("{pid}", str(os.getpid()))).absolute())


def _tidy(folder: Path) -> None:
    """Remove what processes left behind that are gone; those of another pid namespace cannot be seen from here."""
    for pid, path in _listed(folder):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            document = json.loads(path.read_bytes()[:_MOST_BYTES])
            here = document["pid_namespace"] == machine.pid_namespace()
            gone = here and machine.process_start(pid) != document["process_start"]
            if gone or document["boot_id"] != machine.boot_id():
                os.unlink(path)


def _listed(folder: Path) -> Iterator[tuple[int, Path]]:
    with os.scandir(folder) as entries:
        for i, found in enumerate(entries):
            if i >= _MOST_ENTRIES:
                return
            if named := _NAME.fullmatch(found.name):
                yield int(named[1]), folder / found.name


# ---------------------------------------------------------------- reading


def folders(owner: int) -> list[Path]:
    """Where processes of this user may have entered themselves: their environment is not known here, so the usual places."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = [Path(runtime, "spanheap")] if runtime else []
    places += [Path(f"/run/user/{owner}/spanheap"), Path(tempfile.gettempdir(), f"spanheap-{owner}"),
               Path(f"/tmp/spanheap-{owner}")]
    return list(dict.fromkeys(places))


def of(pid: int, owner: int) -> Entry | None:
    """The entry of this process of this user's; None: there is none. Raises PermissionError where it may not be read."""
    denied: PermissionError | None = None
    for folder in folders(owner):
        try:
            if _is_private(folder, owner) and (found := _read(folder / f"server-{pid}.json", owner)) is not None:
                return found
        except PermissionError as error:
            denied = error
        except OSError:
            continue
    if denied is not None:
        raise denied
    return None


def all_of(owner: int) -> list[Entry]:
    """Of the processes of this user that live, by number."""
    found: dict[int, Entry] = {}
    for folder in folders(owner):
        with contextlib.suppress(OSError):
            if _is_private(folder, owner):
                for pid, path in _listed(folder):
                    with contextlib.suppress(OSError):
                        if pid not in found and (entry := _read(path, owner)) is not None:
                            found[pid] = entry
    return [found[pid] for pid in sorted(found)]


def _read(path: Path, owner: int) -> Entry | None:
    """None: no entry, one of another user's, or of a process that is gone. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != owner:
            return None
        text = os.read(fd, _MOST_BYTES)
    finally:
        os.close(fd)
    try:
        return _checked(json.loads(text), path)
    except (ValueError, TypeError, KeyError):
        return None


def _checked(document: Any, path: Path) -> Entry | None:
    pid = int(document["pid"])
    if document["format"] != FORMAT or path.name != f"server-{pid}.json":
        return None
    if document["boot_id"] != machine.boot_id() or document["pid_namespace"] != machine.pid_namespace():
        return None
    if document["process_start"] == 0 or machine.process_start(pid) != document["process_start"]:
        return None
    return Entry(pid, str(document["url"]), str(document["program"]), bool(document["needs_token"]),
                 int(document["dump_signal"]), str(document["dump_folder"]))
