"""`spanheap recover FILE`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from spanheap.errors import RecorderError
from spanheap.recorder import pprof, reader, render
from spanheap.recorder.death import Death, judge
from spanheap.recorder.machine import writer_of
from spanheap.recorder.recording import Recording


def recover(path: Path, *, as_json: bool, pprof_path: Path | None) -> int:
    """Print what is in the file. Returns the exit status; raises SpanheapError when the file cannot be read."""
    recording, death = examine(path)
    if pprof_path is not None:
        pprof.write(recording, death, pprof_path)
    if as_json:
        _print(json.dumps(render.document(recording, death), indent=1, allow_nan=False))
    else:
        _print(render.text(recording, death))
    return 0


def _print(text: str) -> None:
    """What the terminal's encoding does not have becomes question marks; who stops reading (`| head`) is not an error."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "replace").decode(encoding), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())   # or the interpreter complains when it flushes it


def examine(path: str | os.PathLike[str]) -> tuple[Recording, Death]:
    """What is in this file, and how its process ended. Raises RecorderError and CorruptFile."""
    name = os.fsdecode(path)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)   # a FIFO is refused, not waited for
        try:
            recording = reader.read_fd(fd, name)
            return recording, judge(recording, writer_of(fd, recording.identity))
        finally:
            os.close(fd)
    except OSError as error:
        raise RecorderError(f"{name}: cannot be read: {error.strerror}") from error
