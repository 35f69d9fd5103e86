"""What spanheap raises. Misuse of an argument raises ValueError or TypeError, as everywhere in Python."""

from __future__ import annotations


class SpanheapError(Exception):
    """Base of all errors of spanheap."""


class UnsupportedInterpreter(SpanheapError, ImportError):
    """This interpreter cannot be profiled; the message says why.

    Raised when spanheap is imported, and an ImportError: whoever loads plugins goes on without this one."""


class DumpError(SpanheapError):
    """A heap dump could not be written or read; the message names the path and the reason."""


class CorruptFile(DumpError):
    """A file was read, but is not what it should be; the message names path, place and fault."""


class RecorderError(SpanheapError):
    """A recorder file could not be made or read; the message names the path, the reason and the way out."""
