"""`spanheap dump`: have a running process write a dump, or fetch one.

Exit status: 0 there is a dump; 1 there is none, and why; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from spanheap.server.client import Target, TargetError, Unreachable, UsageError, process_status
from spanheap.server.entry import Entry


def run(options: argparse.Namespace) -> int:
    output: Path | None = options.output
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        options.parser.error(f"-o {output}: " + (
            "it is a folder: name a file" if output.is_dir() else f"there is no folder {output.parent}"))
    try:
        target = Target(options.target, timeout=options.timeout)
        try:
            path = _written(target) if output is None else _fetched(target, output)
        except Unreachable as error:
            if target.entry is None or not target.entry.dump_signal:
                raise
            print(f"spanheap dump: {error}; asking by {_name(target.entry.dump_signal)}", file=sys.stderr)
            path = _signalled(target.entry, options.timeout, output)
    except UsageError as error:
        options.parser.error(str(error))
    except TargetError as error:
        print(f"spanheap dump: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"spanheap dump: error: cannot write {output}: {error.strerror or error}", file=sys.stderr)
        return 1
    print(json.dumps(path) if options.json else path["path"])
    return 0


def _written(target: Target) -> dict[str, Any]:
    answer = target.client.post_json("/debug/dump")
    if not isinstance(answer, dict) or not isinstance(answer.get("path"), str):
        raise TargetError(f"{target.client.url}: the answer names no path")
    return {"path": answer["path"], "bytes": answer.get("bytes")}


def _fetched(target: Target, output: Path) -> dict[str, Any]:
    with _whole(output) as file:
        for part in target.client.chunks("/debug/pprof/heap"):
            file.write(part)
        size = file.tell()
    return {"path": str(output), "bytes": size}


@contextlib.contextmanager
def _whole(output: Path) -> Iterator[IO[bytes]]:
    """A file of mode 0600 that is there when it is complete, or not at all. Raises OSError."""
    temporary = output.with_name(f".spanheap-{os.urandom(8).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            yield file
        os.replace(temporary, output)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _signalled(entry: Entry, seconds: float, output: Path | None) -> dict[str, Any]:
    """Ask by the dump signal, and wait for what comes of it. Raises TargetError, or OSError for the output."""
    caught = int(process_status(entry.pid).get("SigCgt", "0"), 16)
    if not caught >> (entry.dump_signal - 1) & 1:   # it would end the process
        raise TargetError(f"process {entry.pid} does not handle {_name(entry.dump_signal)} (any more): no dump")
    before = _dumps(entry)
    try:
        os.kill(entry.pid, entry.dump_signal)
    except ProcessLookupError:
        raise TargetError(f"there is no process {entry.pid} any more") from None
    except PermissionError:
        raise TargetError(f"no permission to send {_name(entry.dump_signal)} to process {entry.pid}") from None
    end = time.monotonic() + seconds
    while not (new := _dumps(entry) - before):
        if time.monotonic() > end:
            raise TargetError(f"{_name(entry.dump_signal)} was sent to process {entry.pid}, but there was no dump in "
                              f"{entry.dump_folder} within {seconds:g} s: the log of the service says why (a dump too many, "
                              f"no room, the process does not get to its tick)")
        time.sleep(0.05)
    path = Path(entry.dump_folder, sorted(new)[0])
    if output is not None:
        with open(path, "rb") as source, _whole(output) as file:
            shutil.copyfileobj(source, file)
        path = output
    return {"path": str(path), "bytes": path.stat().st_size}


def _dumps(entry: Entry) -> set[str]:
    start = f"spanheap-auto-{entry.pid}-"
    with contextlib.suppress(OSError):
        return {name for name in os.listdir(entry.dump_folder)
                if name.startswith(start) and name.endswith(".pb.gz") and not name.endswith(".base.pb.gz")}
    return set()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
