"""The stack of a sample is what Python says it is: each frame's function, file and line, from the leaf to the root."""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ._witness import DEEPEST, LARGE, Witness, python_stack, witnessing

COMPREHENSIONS_HAVE_FRAMES = sys.version_info < (3, 12)


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Every allocation is sampled, with as much of its stack as can be had."""
    with witnessing() as witness:
        yield witness


def test_functions_lambdas_and_closures(witness: Witness) -> None:
    """Each call is a frame, and nothing else is: neither a partial, nor a bound method, nor a cache."""

    def outer(n: int, *args: int, key: int = 0, **rest: int) -> Callable[[], bool]:
        witness()
        return lambda: witness() and bool(n or args or key or rest)

    outer(1)()
    outer(1, 2, 3, key=4, other=5)()
    functools.partial(outer, 1, key=2)()()
    functools.lru_cache(outer)(7)()
    (lambda f: f() and f())(witness)
    witness.check(10)
    assert witness.functions()[:2] == [["outer"], ["<lambda>"]]


def test_classes_and_their_special_methods(witness: Witness) -> None:
    """Class bodies and metaclasses are frames; what calls `__init__` inside the interpreter is none."""

    class Meta(type):
        def __new__(cls, name: str, bases: tuple[type, ...], scope: dict[str, Any], **extra: object) -> Any:
            witness()
            return super().__new__(cls, name, bases, scope)

        def __call__(cls, *args: object) -> Any:
            witness()
            return super().__call__(*args)

    class Descriptor:
        def __set_name__(self, owner: type, name: str) -> None:
            witness()

        def __get__(self, instance: object, owner: type) -> bool:
            return witness()

    class Plain:
        witness()
        attribute = Descriptor()

        def __init__(self, n: int = 0) -> None:
            self.list = [witness() for _ in range(n)]
            witness()

        def __init_subclass__(cls, **extra: object) -> None:
            witness()

        def __getattr__(self, name: str) -> bool:
            return witness()

        @property
        def value(self) -> bool:
            return witness()

    class Derived(Plain, extra=witness()):
        def __init__(self) -> None:
            super().__init__(2)
            witness()

    class Other(metaclass=Meta):
        witness()

        def __new__(cls) -> Other:
            witness()
            return super().__new__(cls)

        def __init__(self) -> None:
            witness()

    for make in (Plain, Derived, Other):
        made = make()
    plain = Plain()
    assert plain.missing and plain.value and plain.attribute and made
    witness.check((2 + 2 + 2) + (1 + 4 + 3) + 4)
    init = [functions for functions in witness.functions() if "__init__" in functions]
    assert max(map(len, init)) == 3 if COMPREHENSIONS_HAVE_FRAMES else 2


@pytest.mark.parametrize("kind", ["list", "set", "dict", "nested"])
def test_comprehensions(witness: Witness, kind: str) -> None:
    """A frame of their own before CPython 3.12, lines of their function from then on."""
    made: dict[str, Callable[[], object]] = {
        "list": lambda: [witness() for _ in range(3)],
        "set": lambda: {witness() for _ in range(3)},
        "dict": lambda: {i: witness() for i in range(3)},
        "nested": lambda: [[witness() for _ in range(3)] for _ in range(1)],
    }
    made[kind]()
    witness.check(3)
    own = {"nested": ["<listcomp>", "<listcomp>"]}.get(kind, [f"<{kind}comp>"]) if COMPREHENSIONS_HAVE_FRAMES else []
    assert witness.functions() == [[*own, "<lambda>"]] * 3


def test_a_frame_that_is_being_set_up_is_not_there_yet(witness: Witness) -> None:
    """What a call makes before its first line, a tuple of arguments, cells, a generator, is the caller's."""
    cells = 150
    names = [f"v{i}" for i in range(cells)]
    scope: dict[str, Any] = {}
    exec(f"""
def collect(*args, **kwargs): return args, kwargs
def enclose(): {'='.join(names)} = None; return lambda: ({','.join(names)})
def produce(): {'='.join(names)} = None; yield {'+'.join(names)}
""", scope)
    args = range(7_001)
    kept, stack = [scope["collect"](*args), scope["enclose"](), scope["produce"]()], python_stack(sys._getframe())
    rows = Counter(row.size for row in witness.session.snapshot().rows if row.is_live and row.stack == stack)
    assert rows[sys.getsizeof(kept[0][0])] == 1
    assert rows[sys.getsizeof(kept[1].__closure__[0])] == cells
    if sys.version_info >= (3, 11):   # before, what has the size is the generator's frame object
        assert rows[sys.getsizeof(kept[2])] == 1


def test_a_module_that_is_being_imported(witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its body, below the import system's own frames."""
    (tmp_path / "spanheap_imported.py").write_text("import sys\n\nsys.spanheap_witness()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "spanheap_witness", witness, raising=False)
    monkeypatch.delitem(sys.modules, "spanheap_imported", raising=False)
    import spanheap_imported  # type: ignore[import-not-found]

    witness.check(1)
    assert witness.lines() == [3] and spanheap_imported.sys is sys
    del sys.modules["spanheap_imported"]


def test_threads_have_stacks_of_their_own(witness: Witness) -> None:
    """From the thread's first frame on, also while others run."""
    barrier = threading.Barrier(4)

    def work(depth: int) -> None:
        if depth:
            work(depth - 1)
        else:
            barrier.wait()
        witness()

    threads = [threading.Thread(target=work, args=(depth,)) for depth in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    witness.check(1 + 2 + 3 + 4)


def test_destructors(witness: Witness) -> None:
    """`__del__` runs in the middle of whatever lets go: a return, an assignment, a collection, an exception."""

    class Mortal:
        def __init__(self, *held: object) -> None:
            self.held = held

        def __del__(self) -> None:
            witness()

    def by_return() -> int:
        mortal = Mortal()
        return len(mortal.held)

    def by_exception() -> None:
        mortal = Mortal()
        raise KeyError(len(mortal.held))

    def by_recursion(n: int) -> Mortal:
        mortal = Mortal()
        return by_recursion(n - 1) if n else mortal

    by_return()
    with contextlib.suppress(KeyError):
        by_exception()
    by_recursion(3)
    mortal: object = Mortal(Mortal(), [Mortal()], {"key": Mortal()})
    mortal = None
    kept = [Mortal() for _ in range(3)]
    kept[0] = kept[1]
    kept.clear()
    cycle = Mortal(kept)
    kept.append(cycle)
    del cycle, kept
    gc.collect()
    Mortal().held  # noqa: B018
    str(Mortal()), repr(Mortal())   # let go of by C
    local = threading.local()
    thread = threading.Thread(target=setattr, args=(local, "mortal", Mortal()))
    thread.start()
    thread.join()
    del thread
    witness.check(1 + 1 + 4 + 4 + 3 + 1 + 1 + 2 + 1)
    assert mortal is None


@pytest.mark.parametrize("max_depth", [1, 2, 64])
def test_a_stack_deeper_than_max_depth_keeps_its_leaves(max_depth: int) -> None:
    """The innermost `max_depth` frames, and no more."""
    with witnessing(max_depth) as witness:

        def descend(n: int) -> None:
            witness()
            if n:
                descend(n - 1)

        descend(200)
        witness.check(201, depth=max_depth)
        assert {len(row.stack) for row in list(witness.rows().values())[100:]} == {max_depth}


def test_at_the_recursion_limit(witness: Witness) -> None:
    """On the way out of a RecursionError, from the deepest frames that there can be: the stack down from each of them."""

    def descend() -> None:
        try:
            descend()
        except RecursionError:
            made.append(bytearray(LARGE))   # a C function: there is no room for a Python frame
            raise

    made: list[bytearray] = []
    with pytest.raises(RecursionError):
        descend()
    first = descend.__code__.co_firstlineno
    rows = [row for row in witness.session.snapshot().rows if row.is_live and row.size == LARGE + 1]
    assert len(rows) == len(made) > DEEPEST
    for row in rows:
        name = row.stack[0].function
        assert name.endswith("descend") and row.stack[0].line == first + 4
        assert {frame.line for frame in row.stack[1:] if frame.function == name} <= {first + 2}
    assert sum([frame.function for frame in row.stack] == [name] * DEEPEST for row in rows) > len(rows) - DEEPEST
    assert witness.session.stats().samples_dropped == 0
    witness()
    witness.check(1)


def test_code_that_is_gone_keeps_its_names(witness: Witness) -> None:
    """Functions, files and lines are right although they are asked for when nobody else has the code any more."""
    for i in range(400):
        scope: dict[str, Any] = {"witness": witness}
        source = "\n" * i + f"def generated_{i}():\n    return (lambda: witness())()\n"
        exec(compile(source, f"<template {i}>", "exec"), scope)
        scope[f"generated_{i}"]()
        code = weakref.ref(scope[f"generated_{i}"].__code__)
        scope.clear()
        if i % 100 == 0:
            witness.session.force_flush()   # some are resolved while later ones are yet to come, most are not
    gc.collect()
    witness.check(400)
    rows = list(witness.rows().values())
    assert [row.stack[2][1:] for row in rows] == [(f"<template {i}>", i + 2) for i in range(400)]
    assert [row.stack[2].function for row in rows] == [f"generated_{i}" for i in range(400)]
    assert code() is not None   # a stack that is still in use holds it


def test_code_that_is_changed_while_it_runs(witness: Witness) -> None:
    """A function given new code stands in old samples as it was, in new ones as it is."""

    def old() -> bool:
        return witness()

    def new() -> bool:
        return witness()

    old()
    old.__code__ = new.__code__.replace(co_name="renamed")
    old()
    assert eval(compile("witness()", "<expression>", "eval"))
    witness.check(3)
    assert [row.stack[1].filename == __file__ for row in witness.rows().values()] == [True, True, False]
