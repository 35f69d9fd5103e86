"""The allocator hook: it sees what it should, and the interpreter cannot tell that it is there."""

from __future__ import annotations

import contextvars
import ctypes
import sys
import threading
from collections.abc import Callable

import pytest

import spanheap

Script = Callable[..., str]


def live_bytes(session: spanheap.Session, function: str) -> float:
    """What was allocated below this function, and is there."""
    return sum(
        site.live_bytes for site in session.snapshot().sites() if any(f.function.endswith(function) for f in site.stack)
    )


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({"PYTHONMALLOC": "default"}, "escape"),
        ({"PYTHONMALLOC": "malloc"}, "classic"),
        ({"PYTHONMALLOC": "debug"}, "classic"),
        ({"PYTHONMALLOC": "pymalloc_debug"}, "classic"),
        ({"PYTHONMALLOC": "default", "PYTHONTRACEMALLOC": "5"}, "classic"),
    ],
)
def test_the_way_of_hooking_follows_the_allocator_beneath(script: Script, environment: dict[str, str], mode: str) -> None:
    """Plain pymalloc: escape to RAW; anything else: all functions. Both find blocks small and large, and their end."""
    out = script("""
        import spanheap
        with spanheap.profile(sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None) as session:
            def live():
                return sum(s.live_bytes for s in session.snapshot().sites() if any(f.function == "make" for f in s.stack))
            def make():
                return [[bytes(n) for _ in range(200)] for n in (30, 200, 1000, 20000)]
            kept = make()
            assert 4_246_000 < live() < 4_320_000, live()
            del kept
            assert live() < 2_000, live()
            assert spanheap._core.valid()
            stats = session.stats()
            assert stats.hook_lost == stats.samples_replaced == 0, stats
            print(stats.hook)
    """, **environment)
    assert out == f"{mode}\n"


def test_the_number_of_blocks_is_what_python_thinks(script: Script) -> None:
    """sys.getallocatedblocks() counts sampled blocks as it counts others."""
    out = script("""
        import sys, spanheap
        with spanheap.profile(sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None):
            keep = [None] * 20_000
            before = sys.getallocatedblocks()
            for i in range(20_000):
                keep[i] = object()
            during = sys.getallocatedblocks()
            for i in range(20_000):
                keep[i] = None
            print(during - before - 20_000, sys.getallocatedblocks() - before)
    """, PYTHONMALLOC="default")   # other allocators do not count
    assert all(abs(int(drift)) <= 20 for drift in out.split())   # free lists and caches


def test_growing_lists_are_counted(every_byte: spanheap.Session) -> None:
    """A list grows by realloc: its last size counts, once."""

    def grow() -> list[list[None]]:
        lists: list[list[None]] = [[] for _ in range(3_000)]
        for one in lists:
            for _ in range(60):
                one.append(None)
        return lists

    lists = grow()
    buffers = sum(sys.getsizeof(one) - sys.getsizeof([]) for one in lists)
    headers = (sys.getsizeof([]) + 16) * len(lists)
    outer = sys.getsizeof(lists)
    assert buffers <= live_bytes(every_byte, "grow") <= (buffers + headers + outer) * 1.01


def test_a_bytearray_that_grows_and_shrinks_is_counted_once(every_byte: spanheap.Session) -> None:
    """Across the border between pymalloc and RAW, in both directions."""

    def resize() -> list[bytearray]:
        made = [bytearray(100) for _ in range(500)]
        for one in made:
            for size in (1_000, 300, 40_000, 100, 2_000):
                if size < len(one):
                    del one[size:]
                else:
                    one += bytes(size - len(one))
        return made

    made = resize()
    expected = sum(sys.getsizeof(one) for one in made)
    assert live_bytes(every_byte, "resize") == pytest.approx(expected, rel=0.05)
    assert every_byte.stats().samples_replaced == 0


@pytest.mark.no_sanitizer(reason="it ends the process at a request that large")
def test_a_realloc_that_fails_keeps_its_sample(every_byte: spanheap.Session) -> None:
    """The block is still there, and so is what is known of it."""

    def make() -> bytearray:
        return bytearray(100_000)

    kept = make()
    before = live_bytes(every_byte, "make")
    with pytest.raises(MemoryError):
        ctypes.pythonapi.PyByteArray_Resize(ctypes.py_object(kept), ctypes.c_ssize_t(1 << 61))
    assert len(kept) == 100_000
    assert live_bytes(every_byte, "make") == before >= 100_000
    del kept
    assert live_bytes(every_byte, "make") < before - 100_000


@pytest.mark.parametrize(("order", "lost"), [("TSts", 1), ("TSst", 0), ("STts", 0), ("STst", 0)])
def test_tracemalloc_comes_and_goes(script: Script, order: str, lost: int) -> None:
    """In any order of starts and stops: no crash, what is lost is found at the tick, and sampling goes on."""
    # T, t: tracemalloc starts, stops. S, s: spanheap starts, stops.
    out = script(f"""
        import tracemalloc, spanheap
        def live():
            return sum(s.live_bytes for s in session.snapshot().sites() if any(f.function == "make" for f in s.stack))
        def make():
            return [bytes(n) for n in (30, 300, 3_000, 30_000) for _ in range(50)]
        def start():
            global session
            session = spanheap.start(sample_interval=1, max_samples=100_000, adaptive=False, tick=None)
        steps = dict(T=tracemalloc.start, t=tracemalloc.stop, S=start, s=lambda: session.shutdown())
        kept = make()
        lost = []
        for cycle in range(12):   # more often than hooks are remembered
            for step in {order!r}:
                steps[step]()
                kept = kept[::2] + make()   # frees and makes, before the tick has looked
                if spanheap.current():
                    session.force_flush()
                    kept = make()
                    assert 1_660_000 < live() < 1_700_000, (cycle, step, live(), session.stats())
                    assert spanheap._core.valid()
                    if step == "t": lost.append(session.stats().hook_lost)
        print(max(lost, default=0))
    """)
    assert int(out) == lost


def test_sampled_blocks_outlive_the_session(script: Script) -> None:
    """Blocks sampled by one session are resized and freed after it, and while another one runs."""
    for allocator in ("default", "malloc", "debug"):
        assert script("""
            import spanheap
            kept = []
            for _ in range(30):
                with spanheap.profile(sample_interval=1, max_samples=20_000, tick=None) as session:
                    kept += [[None] * n for n in (1, 10, 60, 100, 1_000)] + [bytearray(n) for n in (1, 100, 600, 10_000)]
                    kept += [{i: i} for i in range(50)]
                for thing in kept:
                    if isinstance(thing, list): thing.extend([1] * 10)
                    elif isinstance(thing, bytearray): thing += b"more"
                    else: thing.update({-i: 0 for i in range(1, 40)})
                del kept[::3]
            kept.clear()
            assert spanheap._core.valid()
            print("fine")
        """, PYTHONMALLOC=allocator) == "fine\n"


def test_blocks_freed_by_other_threads_leave_the_table(every_byte: spanheap.Session) -> None:
    """Who frees does not matter."""

    def make() -> list[bytes]:
        return [bytes(n) for n in (30, 200, 5_000) for _ in range(1_000)]

    kept = make()
    assert live_bytes(every_byte, "make") > 5_200_000
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert live_bytes(every_byte, "make") < 1_000


def test_a_free_without_the_gil_is_seen(every_byte: spanheap.Session) -> None:
    """The RAW domain has no GIL: a library may free there from anywhere."""
    raw = ctypes.CDLL(None)   # CDLL, not PyDLL: calls are made without the GIL
    raw.PyMem_RawMalloc.restype = ctypes.c_void_p
    raw.PyMem_RawFree.argtypes = [ctypes.c_void_p]
    hold = ctypes.pythonapi.PyMem_RawMalloc
    hold.restype = ctypes.c_void_p

    def make() -> list[int]:
        return [hold(ctypes.c_size_t(10_000)) for _ in range(100)]

    blocks = make()
    assert live_bytes(every_byte, "make") >= 1_000_000
    for block in blocks:
        raw.PyMem_RawFree(block)
    assert live_bytes(every_byte, "make") < 100_000
    before = every_byte.stats().samples_without_thread_state
    block = raw.PyMem_RawMalloc(ctypes.c_size_t(10_000))
    assert every_byte.stats().samples_without_thread_state > before
    raw.PyMem_RawFree(block)


def test_context_variables_are_what_they_were_set_to(every_byte: spanheap.Session) -> None:
    """Reading a ContextVar inside an allocation would leave its cache wrong after reset(): ours is never wrong."""
    from opentelemetry import context as otel_context

    runtime: contextvars.ContextVar[object] = otel_context._RUNTIME_CONTEXT._current_context  # type: ignore[attr-defined]
    plain: contextvars.ContextVar[object] = contextvars.ContextVar("plain", default=None)
    others = [contextvars.ContextVar(f"other_{i}") for i in range(40)]

    def check() -> None:
        for other in others:
            other.set(0)
        for variable in (plain, runtime):
            outside = variable.get()
            for i in range(5_000):
                value = {"n": i}
                token = variable.set(value)
                assert variable.get() is value
                others[i % 40].set(i)
                assert variable.get() is value
                variable.reset(token)
                assert variable.get() is outside

    before = every_byte.stats().samples
    contextvars.copy_context().run(check)
    assert every_byte.stats().samples - before > 10_000


def test_pending_exceptions_are_not_touched(every_byte: spanheap.Session) -> None:
    """Allocations happen while an exception is on its way: it arrives as it was."""

    class Odd(Exception):
        def __init__(self, value: list[int]) -> None:
            super().__init__(value)

        def __del__(self) -> None:
            bytearray(700)

    for i in range(2_000):
        value = [i] * (i % 50)
        try:
            try:
                raise Odd(value)
            finally:
                bytearray(i)
        except Odd as error:
            assert error.args[0] is value and error.__context__ is None
        with pytest.raises(ValueError, match=f"'{i}x'"):
            int(f"{i}x")
        assert getattr(every_byte, f"no_{i}", None) is None
        assert next(iter(()), i) == i
    assert sys.exc_info() == (None, None, None)


def test_code_that_is_dropped_and_deep_recursion(every_byte: spanheap.Session) -> None:
    """Stacks keep the code they name alive, up to a bound; no depth is too deep."""

    def deep(n: int) -> list[object]:
        return [bytes(50), deep(n - 1)] if n else []

    for i in range(6_000):   # more than the stacks that are kept
        scope: dict[str, Callable[[], bytes]] = {}
        exec("def dropped():\n    return bytes(600)", scope)   # one name: those are kept for good, and bounded
        scope["dropped"]()
        if i % 1_000 == 0:
            every_byte.force_flush()
            deep(600)
    every_byte.force_flush()
    stats = every_byte.stats()
    assert stats.stacks_overflowed + stats.stacks_evicted > 0 or stats.stacks > 6_000
    assert every_byte.snapshot().sites() and spanheap._core.valid()


def test_threads_with_small_stacks_can_be_sampled(script: Script) -> None:
    """The hook is a guest on the stack of whoever allocates, at the smallest size that Python itself accepts and runs on."""
    assert script("""
        import threading, spanheap
        threading.stack_size(64 * 1024)
        with spanheap.profile(sample_interval=1, max_samples=64, tick=None):
            def work():
                kept = [[bytes(n) for n in (10, 100, 1_000)] for _ in range(500)]
            threads = [threading.Thread(target=work) for _ in range(5)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        print("fine")
    """) == "fine\n"


def ask_for_made_up_names(turns: int) -> None:
    """What a dispatcher does: an attribute whose name is made for the occasion, and dropped."""
    verb = "GET"
    for _ in range(turns):
        hasattr(ask_for_made_up_names, "do_" + verb)


def test_sampled_names_do_not_stay_in_the_method_cache() -> None:
    """CPython keeps attribute names by their address; a sampled one, which stands elsewhere, must not stay for that."""
    with spanheap.profile(sample_interval=2048, tick=None, seed=1) as session:
        ask_for_made_up_names(200_000)
        made = [row for row in session.snapshot().rows
                if row.stack and row.stack[0].function.endswith("ask_for_made_up_names")]
    assert sum(row.allocated_objects for row in made) > 100_000   # they were sampled
    assert sum(row.samples for row in made) <= 3
