"""The line of each frame is the one that Python reports, in statements of many lines and wherever an exception leads."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from ._witness import LARGE, Witness, witnessing


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Every allocation is sampled, with as much of its stack as can be had."""
    with witnessing() as witness:
        yield witness


def here() -> int:
    """The line that this is called from."""
    return sys._getframe(1).f_lineno


def test_expressions_of_many_lines(witness: Witness) -> None:
    """Each call stands at its own line of the statement, not at the statement's first."""
    first = here()
    print(
        witness(),
        [
            witness(),
            *(witness(),),
        ],
        witness()
        and witness(),
        {
            "key": witness(),
        }["key"]
        if witness()
        else None,
        f"""{witness()}
        {bool(witness() or witness)}""",
    )
    witness.check(9)
    wanted = [2, 4, 5, 7, 8, 12, 10, 14, 15]
    if sys.version_info < (3, 12):   # an f-string had no lines inside before
        wanted[-2:] = [line - first for line in witness.lines()][-2:]
    assert [line - first for line in witness.lines()] == wanted


def test_a_chain_of_calls(witness: Witness) -> None:
    """Methods on lines of their own, as builders are written."""

    class Builder:
        def step(self, *_: object) -> Builder:
            witness()
            return self

    (
        Builder()
        .step()
        .step(
            witness(),
        )
        .step(Builder()
              .step())
    )
    witness.check(5)


def test_statements_that_bind_and_branch(witness: Witness) -> None:
    """Decorators, default arguments, class keywords, with, for, while, assert, del, match, the walrus."""

    def decorate(*_: object) -> Any:
        witness()
        return lambda thing: witness() and thing

    @decorate(
        witness(),
    )
    @decorate()
    def function(
        a: object = witness(),
        b: object = (
            witness(),
        ),
    ) -> object:
        if (
            found := witness()
        ):
            return found
        return a, b

    @decorate(witness())
    class Thing(
        *[object for _ in range(1) if witness()],
        metaclass=witness() and type,
    ):
        attribute = (
            witness()
        )

        def __delitem__(self, key: object) -> None:
            witness()

    function()
    with contextlib.nullcontext(
        witness()
    ) as one, contextlib.nullcontext(
        witness()
    ) as two:
        for _ in (
            witness(),
            two,
        ):
            while (
                witness()
                and one != 1
            ):
                raise AssertionError
    assert (
        witness()
    ), "never"
    del Thing()[
        witness()
    ]
    match (witness(), 1):
        case (True, 2) if witness():
            raise AssertionError
        case (
            True,
            1,
        ) if witness():
            pass
    witness.check(24)
    assert len(set(witness.lines())) == 19   # fewer than calls: the decorators' two are called from two lines each


def test_exception_handlers(witness: Witness) -> None:
    """While an exception is on its way, is handled, is chained, has left: where the code is, not where it was raised."""

    class Context:
        def __enter__(self) -> Context:
            return self

        def __exit__(self, *exception: object) -> bool:
            witness()
            return True

    class Odd(Exception):
        def __init__(self) -> None:
            super().__init__(witness())

    def fail() -> None:
        try:
            witness()
            raise Odd
        except Odd as error:
            witness()
            raise (
                KeyError(witness())
            ) from error
        finally:
            witness()

    def expected(kind: type[BaseException]) -> type[BaseException]:
        witness()
        return kind

    for _ in range(2):
        try:
            fail()
        except (
            expected(KeyError)
        ) as error:
            witness()
            assert traceback.format_exception(error)
        else:
            raise AssertionError
        finally:
            witness()
    with Context(), Context():
        fail()
    with contextlib.ExitStack() as stack:
        stack.callback(witness)
        stack.push(Context())
        fail()
    witness()
    witness.check(4 * 5 + 2 * 3 + 2 + 2 + 1)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* is new in CPython 3.11")
def test_exception_groups(witness: Witness) -> None:
    """Every `except*` that takes a part."""
    exec(compile("""
try:
    raise ExceptionGroup("both", [KeyError(witness()), OSError(witness())])
except* KeyError:
    witness()
except* OSError:
    witness()
finally:
    witness()
""", "<groups>", "exec"), {"witness": witness})
    witness.check(5)
    assert witness.lines() == [3, 3, 5, 7, 9]


def test_a_block_made_by_c_stands_at_the_line_of_its_call(witness: Witness) -> None:
    """Without a Python function in between: the leaf is the caller, at the call's line within the statement."""
    first = here()
    kept = (
        bytes(LARGE),
        [
            bytearray(LARGE + 1_000),
            next(map(bytes, [
                LARGE + 2_000,
            ])),
        ],
        b"a"
        * (LARGE + 3_000),
    )
    lines = {
        row.size: row.stack[0].line - first
        for row in witness.session.snapshot().rows
        if row.is_live and row.size > LARGE and row.stack[0].filename == __file__
    }
    sizes = [sys.getsizeof(kept[0]), LARGE + 1_001, sys.getsizeof(kept[1][1]), sys.getsizeof(kept[2])]
    assert [lines[size] for size in sizes] == [2, 4, 5, 9]


def test_lines_of_a_very_long_function(witness: Witness) -> None:
    """Far from its first line, and after jumps that need wide arguments."""
    filler = "\n".join(f"    v{i} = {i}\n" + "\n" * (i % 300) for i in range(3_000))
    source = f"def long(witness):\n    witness()\n{filler}\n    for _ in 1, 2:\n        witness()\n"
    scope: dict[str, Any] = {}
    exec(compile(source, "<long>", "exec"), scope)
    scope["long"](witness)
    witness.check(3)
    assert witness.lines() == [2, source.count("\n"), source.count("\n")]
