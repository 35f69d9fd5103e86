"""A dump of a running session: the heap as it is now, with what else its reader wants to know."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spanheap import _core, thread_names
from spanheap.dumps import description, writer

if TYPE_CHECKING:
    from spanheap.session import Session


def lines(session: Session, capture: _core.Capture, reason: str, more: Sequence[str] = ()) -> list[str]:
    """The comments of a dump of this session, wherever it goes: `more` before what the detector has found."""
    return description.lines(capture, session._profiler.resource(), reason, _core.hook_mode(), (
        f"ended_spans={session.spans.counts().produced}", *more, *description.verdict_lines(session.leaks())))


def write(session: Session, target: Path, reason: str, more: Sequence[str] = (),
          wanted: Callable[[_core.Capture], bool] | None = None) -> Path | None:
    """With the profiler's `dump_lock` held. more: comments after the others. wanted: asked once the heap was read; False: no
    dump. Raises DumpError."""
    with _core.Muted():
        thread_names.add_missing()
        capture = _core.Capture()
        if wanted is not None and not wanted(capture):
            return None
        comments = lines(session, capture, reason, more)
        return writer.write(capture, target, comments, time.monotonic() - session._profiler.started)
