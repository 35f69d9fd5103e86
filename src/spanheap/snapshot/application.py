"""Which line of a stack is the user's own.

Dumps come from other machines and interpreters, so a file is judged by its path alone: by the folders of this
interpreter, and by the names that installations have everywhere.

    opentelemetry, spanheap               the instrument's own
    site-packages, dist-packages, wheels  a library's
    lib/python3.N, <frozen …>, <string>   the standard library's, or code that a library generated
    anything else                         the application's: scripts, packages on PYTHONPATH, zipapps,
                                          projects that hold their virtualenv, editable installs (the sources
                                          of which stay where they are)

An application that is installed like a library has no frame of its own in this sense: then a package goes
before the standard library, and both before the instrument.
"""

from __future__ import annotations

import enum
import functools
import os
import re
from collections.abc import Sequence

from spanheap.snapshot.row import Frame


class Origin(enum.IntEnum):
    """Whose code a file is; the lower, the more telling to the user."""

    APPLICATION = 0
    PACKAGE = 1
    INTERPRETER = 2
    INSTRUMENT = 3


OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

# `.whl` and `.egg`: packages imported from an archive, or unpacked under its name as PEX does.
PACKAGES = re.compile(r"(?:^|/)(?:site-packages|dist-packages|[^/]+\.whl|[^/]+\.egg)/")
INSTRUMENTS = re.compile(PACKAGES.pattern + r"(?:opentelemetry|spanheap)/")
STANDARD_LIBRARY = re.compile(r"(?:^|/)(?:lib(?:64)?/python3\.\d+t?|python3\d+t?\.zip)/")
# Typed at a prompt, hence the user's: the names of the plain, the 3.13 and the IPython prompt.
PROMPT = re.compile(r"<(?:stdin|python-input-|ipython-input-)")
# `bin/gunicorn` only calls into its package. A script of the user's without extension looks the same,
# but its work is done in functions.
LAUNCHER = re.compile(r"(?:^|/)bin/[^/.]+$")


def application_frame(stack: Sequence[Frame]) -> Frame | None:
    """The innermost frame of the user's own code, or the best there is; None for an empty stack."""
    return min(stack, key=_frame_origin, default=None)   # min takes the first of equals: the innermost


def _frame_origin(frame: Frame) -> Origin:
    return module_origin(frame.filename) if frame.function == "<module>" else file_origin(frame.filename)


def module_origin(filename: str) -> Origin:
    """Whose the module-level code of this file is; file_origin is of its functions."""
    return Origin.INTERPRETER if LAUNCHER.search(filename) else file_origin(filename)


@functools.lru_cache(maxsize=4096)   # a large service has some thousand modules
def file_origin(filename: str) -> Origin:
    """Whose code this file is. A relative name is the application's: installations have absolute ones."""
    if filename.startswith(OWN_FOLDER) or INSTRUMENTS.search(filename):
        return Origin.INSTRUMENT
    if PACKAGES.search(filename) or filename.startswith(_folders("purelib", "platlib")):
        return Origin.PACKAGE
    if PROMPT.match(filename):
        return Origin.APPLICATION
    if not filename or filename.startswith("<"):
        return Origin.INTERPRETER
    if STANDARD_LIBRARY.search(filename) or filename.startswith(_folders("stdlib", "platstdlib")):
        return Origin.INTERPRETER
    return Origin.APPLICATION


@functools.cache
def _folders(*names: str) -> tuple[str, ...]:
    """Folders of this interpreter and of the user's site, as sys.path spells them and as they really are."""
    import sysconfig  # a view's, not the service's, to pay for

    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    paths = {sysconfig.get_path(name, scheme) for name in names for scheme in schemes}
    return tuple(os.path.join(path, "") for path in paths | set(map(os.path.realpath, paths)))
