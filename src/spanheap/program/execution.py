"""Runs a program as `python` would, in this process, and says how it ended.

Not by runpy: that takes `__main__` and its globals away when the program returns, and the last look is for these.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import signal
import sys
import threading
import types
from collections.abc import Callable
from types import CodeType, FrameType, ModuleType
from typing import NamedTuple

from spanheap.errors import SpanheapError

_SIGTERM = "SIGTERM"
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Target(NamedTuple):
    """`python -m name arguments`, or `python name arguments`."""

    name: str
    is_module: bool
    arguments: tuple[str, ...]


class Outcome(NamedTuple):
    """How a program ended."""

    status: int   # that python would have had; 128 + the signal where one ended it
    how: str      # "returned", "exit status 3", "ValueError", "SIGINT", "SIGTERM"
    signal: int = 0   # the one that ended it, if one did
    error: type[BaseException] | None = None   # that nobody caught


class TargetError(SpanheapError):
    """There is no such program; the message says why."""


class _Terminated(SystemExit):
    """Raised for SIGTERM where the program has no handler of its own."""


def load(target: Target) -> tuple[CodeType, ModuleType]:
    """The program, ready to run: sys.argv, sys.path and `__main__` are set. Raises TargetError, SyntaxError."""
    # The folder of `spanheap` stands where that of the program belongs.
    sys.path[0] = os.getcwd() if target.is_module else os.path.dirname(os.path.realpath(target.name))
    code, spec, path = _module(target.name) if target.is_module else _script(target.name)
    sys.argv = [path if target.is_module else target.name, *target.arguments]
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __spec__=spec, __cached__=None, __builtins__=sys.modules["builtins"])
    if spec is not None:
        module.__dict__.update(__package__=spec.parent, __loader__=spec.loader)
    sys.modules["__main__"] = module
    return code, module


def _script(path: str) -> tuple[CodeType, None, str]:
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise TargetError(f"cannot read {path}: {error.strerror}; give a script, or a module with -m") from None
    path = os.path.abspath(path)   # as in `__file__` and tracebacks of python
    return compile(source, path, "exec"), None, path


def _module(name: str) -> tuple[CodeType, importlib.machinery.ModuleSpec, str]:
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise TargetError(f"cannot find the module {name!r}: {error}") from None
    get_code = getattr(spec.loader, "get_code", None) if spec is not None else None
    code = get_code(spec.name) if get_code is not None and spec is not None else None
    if spec is None or code is None:
        raise TargetError(f"there is no module {name!r}, or none that can be run (python -m {name})")
    return code, spec, spec.origin or name


def run(code: CodeType, module: ModuleType, *, show_interrupt: bool = False) -> Outcome:
    """Run it to its end, threads included that are not daemons. What it raises is shown as python shows it.

    show_interrupt: KeyboardInterrupt, too."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
        os.register_at_fork(after_in_child=_leave_sigterm)
    pid = os.getpid()
    outcome = _ended(lambda: exec(code, module.__dict__), show_interrupt)
    if os.getpid() != pid:   # the child of a fork that ends: the audit is its parent's
        raise SystemExit(outcome.status)
    waited = outcome if outcome.how == _SIGTERM else _ended(_join_threads, show_interrupt)
    return outcome if waited.status == 0 else waited


def _ended(work: Callable[[], None], show_interrupt: bool) -> Outcome:
    try:
        work()
    except _Terminated:
        return Outcome(128 + signal.SIGTERM, _SIGTERM, signal.SIGTERM)
    except KeyboardInterrupt as error:
        if show_interrupt:
            _show(error)
        return Outcome(128 + signal.SIGINT, "SIGINT", signal.SIGINT, type(error))
    except SystemExit as error:
        return _exited(error.code)
    except BaseException as error:
        _show(error)
        return Outcome(1, type(error).__name__, 0, type(error))
    return Outcome(0, "returned")


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise _Terminated(128 + signum)


def _leave_sigterm() -> None:
    """A child of the program ends by SIGTERM, as its parent expects: multiprocessing looks at how."""
    if signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exited(code: object) -> Outcome:
    if code is None:
        return Outcome(0, "returned")
    if isinstance(code, int):
        return Outcome(code & 0xFF, f"exit status {code}")
    print(code, file=sys.stderr)
    return Outcome(1, "exit status 1")


def _show(error: BaseException) -> None:
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        tb = tb.tb_next
    sys.excepthook(type(error), error.with_traceback(tb), tb)
    error.__traceback__ = None   # its frames are no holders


def _join_threads() -> None:
    """As python does before it ends. A pool's workers wait for work until then, which is after us."""
    while True:
        pools = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", {})
        waited_for = [
            t for t in threading.enumerate()
            if not t.daemon and t is not threading.current_thread() and t is not threading.main_thread() and t not in pools
        ]
        if not waited_for:
            return
        for thread in waited_for:
            thread.join()
