"""Labels: what the application says of the work it does, carried by the context as the current span is."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType

from spanheap import _core
from spanheap.snapshot.row import RESERVED_LABELS

_variable: ContextVar[_core.LabelSet | None] = ContextVar("spanheap_labels", default=None)
_bound = False


def current() -> _core.LabelSet | None:
    """The labels in force here."""
    return _variable.get()


def attach(labels: _core.LabelSet | None) -> _core.LabelSet | None:
    """Put these in force here; returns those that were, for `detach`."""
    before = _variable.get()
    _variable.set(labels)
    return before


def detach(before: _core.LabelSet | None) -> None:
    _variable.set(before)


class labels:
    """A block whose samples carry these labels, over those of the block around it:

        with spanheap.labels(tenant="acme", job="import"):
            ...

    They follow the context: across await, into tasks, and into threads started with a copied context. Snapshots
    (`HeapSnapshot.by_label`), dumps and, for keys given as `label_metrics=`, metrics tell memory apart by them.
    A process has at most 64 keys and 4,096 different sets at a time; past that a value becomes "<other>", which
    `Stats.labels_overflowed` counts. 64 bytes of a value are kept.

    Raises TypeError for a value that is no str, ValueError for a key that dumps use themselves or that is longer than
    40 bytes.
    """

    __slots__ = ("_pairs",)

    def __init__(self, /, **pairs: str) -> None:
        for key, value in pairs.items():
            if not isinstance(value, str):
                raise TypeError(f"the label {key} must be a str, not {value!r}")
            if key in RESERVED_LABELS:
                raise ValueError(f"a label must not be called {key!r}: dumps have their own of that name")
            if not 0 < len(key.encode("utf-8", "replace")) <= _core.MAX_LABEL_KEY_BYTES:
                raise ValueError(f"a label's key must have 1 to {_core.MAX_LABEL_KEY_BYTES} bytes, which {key!r} has not")
        self._pairs = pairs

    def __enter__(self) -> None:
        global _bound
        if not _bound:
            _core.bind_labels(_variable)   # only who uses labels pays for the look at this variable
            _bound = True
        _variable.set(_core.LabelSet(_variable.get(), self, self._pairs))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        inner = _variable.get()
        # Not ours: the block ends in another context than it began in, as that of an abandoned generator does.
        if inner is not None and inner.owner is self:
            _variable.set(inner.outer)
