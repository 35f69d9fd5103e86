"""The instructions of a function that matter, as they stand."""

from __future__ import annotations

import dis
import types
from typing import Any, NamedTuple

_NOISE = frozenset((
    "CACHE", "PRECALL", "PUSH_NULL", "EXTENDED_ARG", "NOP", "RESUME", "COPY", "SWAP", "ROT_TWO", "ROT_THREE", "DUP_TOP",
    "COPY_FREE_VARS", "MAKE_CELL",
))


class Op(NamedTuple):
    """One instruction."""

    name: str
    names: tuple[str, ...]
    value: Any
    line: int
    in_loop: bool


def operations(code: types.CodeType) -> list[Op]:
    """The instructions that matter."""
    found, line = [], 0
    loops = [
        (i.argval, i.offset) for i in dis.get_instructions(code) if isinstance(i.argval, int) and i.argval < i.offset
        and i.opname.startswith(("JUMP", "POP_JUMP"))
    ]
    for instruction in dis.get_instructions(code):
        starts: Any = instruction.starts_line   # since 3.13 whether one does, and the line is an attribute of its own
        line = getattr(instruction, "line_number", starts) or line
        if instruction.opname in _NOISE:
            continue
        value = code.co_consts[instruction.arg or 0] if instruction.opname == "KW_NAMES" else instruction.argval
        names = tuple(n for n in (value if isinstance(value, tuple) else (value,)) if isinstance(n, str))
        found.append(Op(instruction.opname, () if instruction.opname == "LOAD_CONST" else names, value, line,
                        any(begin <= instruction.offset <= end for begin, end in loops)))
    return found
