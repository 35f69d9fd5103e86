"""The stacks of Python functions that C calls: C has no frames here, and hides none."""

from __future__ import annotations

import ctypes
import functools
import gc
import itertools
import json
import pickle
import re
import signal
import sys
import weakref
from collections.abc import Callable, Iterator

import pytest

from ._witness import Witness, witnessing


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Every allocation is sampled, with as much of its stack as can be had."""
    with witnessing() as witness:
        yield witness


def _called_from_c() -> dict[str, Callable[[Witness], object]]:
    """Ways from Python through C into Python; each calls the witness twice."""

    class Special:
        witness: Witness

        def __getattr__(self, name: str) -> bool:
            return Special.witness()

        def __eq__(self, other: object) -> bool:
            return Special.witness()

        def __hash__(self) -> int:
            return int(Special.witness())

        def __lt__(self, other: object) -> bool:
            return Special.witness()

        def __index__(self) -> int:
            return int(Special.witness())

        def __format__(self, spec: str) -> str:
            return str(Special.witness())

        def __reduce__(self) -> tuple[type, tuple[()]]:
            Special.witness()
            return list, ()

        def __iter__(self) -> Iterator[int]:
            Special.witness()
            return iter([Special.witness()])

        def __call__(self) -> bool:
            return Special.witness()

    def with_special(run: Callable[[Special], object]) -> Callable[[Witness], object]:
        def go(witness: Witness) -> object:
            Special.witness = witness
            return run(Special())

        return go

    # The first callback is given to a library that keeps the GIL, the second to one that releases it.
    def callback(library: type[ctypes.CDLL]) -> Callable[[Witness], object]:
        def go(witness: Witness) -> None:
            compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(witness)
            sort = library(None).qsort
            for _ in range(2):
                sort((ctypes.c_int * 2)(2, 1), ctypes.c_size_t(2), ctypes.c_size_t(4), compare)

        return go

    def on_signal(witness: Witness) -> None:
        before = signal.signal(signal.SIGUSR1, witness)
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, before)

    def on_collection(witness: Witness) -> None:
        gc.callbacks.append(witness)
        gc.collect()   # at its start and at its end
        gc.callbacks.remove(witness)

    def profiled(witness: Witness) -> None:
        function, before = (lambda: None), sys.getprofile()
        calls = itertools.count()
        sys.setprofile(lambda frame, event, arg: frame.f_code is function.__code__ and next(calls) < 2 and witness())
        function()
        sys.setprofile(before)

    return {
        "sorted": lambda w: sorted([1, 2], key=w),
        "map": lambda w: list(map(w, "ab")),
        "filter": lambda w: list(filter(w, "ab")),
        "reduce": lambda w: functools.reduce(w, [1, 2, 3]),   # type: ignore[arg-type]
        "partial": lambda w: functools.partial(map, functools.partial(w, 1))("ab").__next__() and w(),
        "re.sub": lambda w: re.sub("a", lambda match: str(w()), "aa"),
        "json": lambda w: json.dumps([object(), object()], default=w),
        "iter": lambda w: next(iter(functools.partial(w), False)) and w(),
        "weakref": lambda w: [weakref.ref(set(), w) for _ in range(2)],
        "ctypes.PyDLL": callback(ctypes.PyDLL),
        "ctypes.CDLL": callback(ctypes.CDLL),
        "signal": on_signal,
        "gc": on_collection,
        "setprofile": profiled,
        "getattr": with_special(lambda s: (s.missing, getattr(s, "other", None))),
        "hash": with_special(lambda s: {s: 1}.get(s)),
        "eq": with_special(lambda s: (s == 1, [s].index(2))),   # type: ignore[list-item]
        "lt": with_special(lambda s: sorted([s, s, s])),
        "index": with_special(lambda s: (range(9)[s], bytes(s))),
        "format": with_special(lambda s: f"{s} {s:x}"),
        "pickle": with_special(lambda s: pickle.dumps([s]) and pickle.dumps([s])),
        "unpack": with_special(lambda s: [*s]),
        "call": with_special(lambda s: list(itertools.starmap(s, [(), ()]))),
    }


@pytest.mark.no_sanitizer(reason="it has a qsort of its own, which compares more often")
@pytest.mark.parametrize("way", _called_from_c())
def test_python_called_from_c(witness: Witness, way: str) -> None:
    """The C function between the two Python functions has no frame, and is no end of the stack either."""
    _called_from_c()[way](witness)
    witness.check(2)


def test_nested_calls_through_c(witness: Witness) -> None:
    """Python, C, Python, C, …: as deep as can be had, every Python frame of it."""

    def descend(depth: int) -> bool:
        return all(map(descend, [depth - 1])) and witness() if depth else witness()

    descend(60)
    witness.check(61)
