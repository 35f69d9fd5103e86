"""The session that runs, at most one a process, and what becomes of it in a forked child and at the interpreter's end."""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanheap.session import Session

_lock = threading.RLock()
_current: Session | None = None


def current() -> Session | None:
    """The running session."""
    return _current


def lock() -> threading.RLock:
    """Held while a session starts or ends. Asked for each time: a forked child has one of its own."""
    return _lock


def began(session: Session) -> None:
    global _current
    assert _current is None
    _current = session


def ended(session: Session) -> None:
    global _current
    if _current is session:
        _current = None


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    if _current is not None:
        _current._forked()


def _at_exit() -> None:
    if _current is not None:
        _current._at_exit()


os.register_at_fork(after_in_child=_after_fork_in_child)
# While the interpreter goes down there is nothing left to find out, and thread states die under the hook.
atexit.register(_at_exit)
