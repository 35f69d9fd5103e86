"""The arenas that pymalloc takes are counted while a session runs, and its own functions are back afterwards."""

from __future__ import annotations

from collections.abc import Callable

Script = Callable[..., str]

# The arena allocator in force, as three addresses.
PRELUDE = """
import ctypes, gc, spanheap
def start():
    return spanheap.start(tick=None, detect=None, seed=1)
class Arenas(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("ctx", "alloc", "free")]
def in_force():
    arenas = Arenas()
    ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(arenas))
    return arenas.ctx, arenas.alloc, arenas.free
before = in_force()
"""


def test_arenas_follow_the_small_blocks(script: Script) -> None:
    """40 MB of small blocks take about as much in arenas, which are given back with them."""
    script(PRELUDE + """
session = start()
assert in_force() != before
base = session.stats().arena_bytes
assert 0 <= base < 8 << 20, base
kept = [bytes(367) for _ in range(100_000)]   # 400 bytes each
grown = session.stats().arena_bytes - base
assert 38_000_000 < grown < 48_000_000, grown
del kept
gc.collect()
assert session.stats().arena_bytes - base < 4 << 20
session.shutdown()
assert in_force() == before
""", PYTHONMALLOC="pymalloc")


def test_arenas_of_before_the_start_are_not_taken_off(script: Script) -> None:
    """Their release does not make the count negative; a second session begins at nothing."""
    script(PRELUDE + """
old = [bytes(367) for _ in range(100_000)]
for _ in range(3):
    session = start()
    kept = [bytes(367) for _ in range(50_000)]
    assert 0 < session.stats().arena_bytes < 30_000_000
    old = None
    gc.collect()
    assert 0 < session.stats().arena_bytes < 30_000_000
    session.shutdown()
assert in_force() == before
""", PYTHONMALLOC="pymalloc")


def test_arena_allocator_of_another_tool_stays(script: Script) -> None:
    """Who has replaced ours since is not taken out by our stop, and the next start does not stand in the way."""
    script(PRELUDE + """
session = start()
ours = in_force()
other = Arenas(1, before[1], before[2])   # its functions take no notice of the context
ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(other))
session.shutdown()
assert in_force() == (1, *before[1:])
session = start()
kept = [bytes(367) for _ in range(50_000)]
session.shutdown()
assert in_force() == (1, *before[1:]) != ours
""", PYTHONMALLOC="pymalloc")


def test_without_pymalloc_there_are_no_arenas(script: Script) -> None:
    """Every block is malloc's."""
    script(PRELUDE + """
session = start()
kept = [bytes(367) for _ in range(50_000)]
assert session.stats().arena_bytes == 0
""", PYTHONMALLOC="malloc")
