"""Which interpreters can be profiled: the core reads CPython's own structures, and knows those of some versions."""

from __future__ import annotations

import importlib
import importlib.util
import sys

from spanheap.errors import UnsupportedInterpreter

OLDEST = (3, 10)
NEWEST = (3, 13)


def _in_subinterpreter() -> bool:
    """Asked before the extension is loaded: it can be loaded by one interpreter only, and must be by the main one."""
    for name in ("_interpreters", "_xxsubinterpreters"):   # CPython 3.13; before
        try:
            interpreters = importlib.import_module(name)
            return bool(interpreters.get_current() != interpreters.get_main())
        except (ImportError, AttributeError):
            continue
    return False


def _reason() -> str | None:
    version = sys.version_info[:2]
    name = sys.implementation.name
    if name != "cpython":
        return f"it reads CPython's own structures, and this is {name}"
    if "t" in getattr(sys, "abiflags", ""):   # "t": threads without the GIL
        return "its allocator hook relies on the GIL, and this is a free-threaded build"
    if not OLDEST <= version <= NEWEST:
        return "it knows CPython {}.{} to {}.{}, and this is {}.{}".format(*OLDEST, *NEWEST, *version)
    if not sys.platform.startswith("linux"):
        return f"it is made for Linux, and this is {sys.platform}"
    if _in_subinterpreter():
        return "it profiles a process from the main interpreter, and this is a subinterpreter"
    if importlib.util.find_spec("spanheap._core") is None:
        return (
            "its extension module is not compiled here; run `pip install .` in the source tree "
            "and import it from elsewhere"
        )
    return None


def require_supported() -> None:
    """Raises UnsupportedInterpreter with the reason."""
    reason = _reason()
    if reason is None:
        try:
            importlib.import_module("spanheap._core")
        except ImportError as error:   # a subinterpreter, or an extension built for another machine
            reason = str(error)
    if reason is not None:
        raise UnsupportedInterpreter(f"spanheap cannot run here: {reason}")
