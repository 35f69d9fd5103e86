"""Bug classes 1, 2, 3, 8 and 9: what may not happen while an allocation is under way.

tests/mutants/catalogue.py lists the classes, breaks the code in each of these ways, and sees these tests fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Script = Callable[..., str]

pytestmark = pytest.mark.needs("cc", "gcc")

EVERY_ALLOCATOR = pytest.mark.parametrize("allocator", ["default", "malloc", "debug"])


@EVERY_ALLOCATOR
def test_class_01_no_python_code_runs_inside_an_allocation(script: Script, allocator: str) -> None:
    """Keys that compare, spans that compute, callbacks of the collector: none is called while an object is half built."""
    script("""
        import fragile
        from opentelemetry import context, trace
        from opentelemetry.sdk.trace import TracerProvider
        seen = []
        def look():
            seen.append(fragile.unfinished())

        class Key(str):
            # Equal in hash to OpenTelemetry's key of the current span, and before it in the context.
            def __hash__(self):
                return hash(trace.propagation._SPAN_KEY)
            def __eq__(self, other):
                look()
                return self is other

        class Span(trace.NonRecordingSpan):
            def __getattribute__(self, name):
                look()
                return super().__getattribute__(name)
            def __hash__(self):
                look()
                return 1
            def __eq__(self, other):
                look()
                return self is other

        gc.callbacks.append(lambda phase, info: look())
        provider = TracerProvider()
        session = start(tracer_provider=provider)
        assert session.stats().attribution
        with provider.get_tracer("t").start_as_current_span("known") as known:
            for span in (known, Span(known.get_span_context())):
                entries = {Key("other"): 1, trace.propagation._SPAN_KEY: span}
                token = context.attach(context.Context(entries))
                gc.set_threshold(1)
                before = session.stats().samples
                kept = [fragile.HalfBuilt() for _ in range(200)]
                assert session.stats().samples - before > 200 * 20
                gc.set_threshold(700)
                assert context.get_value(trace.propagation._SPAN_KEY) is span   # a look-up from outside does call them
                context.detach(token)
        assert len(seen) > 2 and not any(seen), (len(seen), sum(seen))
    """, PYTHONMALLOC=allocator)


def test_class_01_the_gil_is_not_released_inside_an_allocation(script: Script) -> None:
    """Other threads wait eagerly for their turn; none ever sees an object half built."""
    script("""
        import fragile
        sys.setswitchinterval(1e-6)
        session = start(max_samples=1_000)
        done, looks, seen = False, 0, 0
        def watch():
            global looks, seen
            while not done:
                looks += 1
                seen += fragile.unfinished()
        thread = threading.Thread(target=watch)
        thread.start()
        for _ in range(2_000):
            fragile.HalfBuilt()
        done = True
        thread.join()
        assert looks > 100 and seen == 0, (looks, seen)
    """)


@pytest.mark.parametrize("mode", ["escape", "classic"])
def test_class_02_a_sample_allocates_and_frees_nothing(script: Script, mode: str) -> None:
    """The allocators get one request for each one made, however deep the stack: nothing for frames, no collection."""
    script(f"""
        import interposer
        if {mode!r} == "classic":   # beneath us; "escape" needs plain pymalloc there, which hands what is sampled to RAW
            for domain in ("raw", "mem", "obj"):
                interposer.install(domain)
        session = start()
        if {mode!r} == "escape":
            interposer.install("raw")
        assert session.stats().hook == {mode!r}
        def at_depth(n):
            return at_depth(n - 1) if n else [interposer.arrivals(domain, 500) for domain in ("mem", "obj")]
        collections = []
        gc.callbacks.append(lambda phase, info: collections.append(phase))
        for depth in (0, 5, 200):
            before = session.stats().samples
            gc.collect()
            gc.set_threshold(1)
            assert at_depth(depth) == [(1_000, 500)] * 2, depth
            gc.set_threshold(700)
            assert session.stats().samples - before >= 2_000
        assert collections   # the callback works
    """, PYTHONMALLOC="default")


@EVERY_ALLOCATOR
def test_class_02_a_realloc_under_collector_pressure_keeps_its_contents(script: Script, allocator: str) -> None:
    """Garbage that frees and allocates waits at every step: a buffer that grows has its own bytes."""
    script("""
        import fragile
        seen = []
        class Cycle:
            def __init__(self):
                self.me = self
            def __del__(self):
                seen.append(fragile.unfinished())
                [bytes(n) for n in (20, 200, 2_000)]
        session = start()
        def at_depth(n):
            if n:
                return at_depth(n - 1)
            made = []
            for _ in range(100):
                Cycle()
                made.append(fragile.HalfBuilt())   # raises when contents are lost
            return made
        gc.set_threshold(1)
        kept = [at_depth(depth) for depth in (0, 30, 60)]
        assert len(seen) >= 250 and not any(seen), seen
        assert spanheap._core.valid()
    """, PYTHONMALLOC=allocator)


def test_class_03_references_are_given_back_outside_of_allocations(script: Script) -> None:
    """Code that only a remembered stack keeps alive dies in a tick, never inside an allocation: its callbacks are Python."""
    script("""
        import fragile
        # Each object is some 100 KiB in small steps, so that every stack is sampled and hardly anything else is; the samples
        # are few, so that those released are folded inside the hook.
        session = start(sample_interval=20_000, max_samples=1_000)
        gone, refs = [], []
        for i in range(4_500):   # more stacks than are kept
            scope = {"make": fragile.HalfBuilt}
            exec(f"def dropped_{i}(): make()", scope)
            code = scope[f"dropped_{i}"].__code__
            refs.append(weakref.ref(code, lambda ref: gone.append(fragile.unfinished())))
            scope[f"dropped_{i}"]()
            del code
        del scope
        gc.collect()
        stats, inside = session.stats(), len(gone)
        assert not any(gone)
        assert stats.stacks > 4_000 and stats.samples_dropped == 0, stats
        assert inside < 1_500, inside   # those of stacks that found the table full, or were not sampled
        session.force_flush()
        assert len(gone) - inside > 1_000, (inside, len(gone))   # the tick lets go
        assert not any(gone) and spanheap._core.valid()
    """)


@EVERY_ALLOCATOR
def test_class_08_a_pending_exception_survives_allocations(script: Script, allocator: str) -> None:
    """It stays pending, the same object, and no other takes its place; where there was none there is none."""
    script("""
        import fragile
        for options in (dict(), dict(max_samples=16), dict(max_samples=16, adaptive=True)):   # taken, dropped, thinned
            session = start(**options)
            def at_depth(n):
                if n:
                    at_depth(n - 1)
                    return
                for error in (ValueError("mine"), StopIteration(1), MemoryError(), KeyboardInterrupt(), OSError(2, "no")):
                    assert fragile.survives_allocations(error), (options, error)
                    assert error.__context__ is None
                assert fragile.raises_nothing()
            kept = [bytes(600) for _ in range(20)]   # more than 16
            for depth in (0, 40, 200):
                at_depth(depth)
            stats = session.stats()
            assert stats.samples > 16 or stats.samples_dropped > 500, stats
            assert (stats.samples_thinned > 0) == ("adaptive" in options), stats
            assert (stats.samples_dropped > 0) == (options == dict(max_samples=16)), (options, stats)
            session.shutdown()
    """, PYTHONMALLOC=allocator)


@pytest.mark.parametrize("function", ["malloc", "calloc", "realloc", "free"])
def test_class_09_no_lock_is_held_while_the_allocator_beneath_works(script: Script, function: str) -> None:
    """An allocator may wait for another thread, which may need our lock: it must be free, or both wait for ever."""
    script(f"""
        import interposer
        interposer.install("raw")
        session = start()
        blocks = interposer.make(50, 12_345)
        assert len(rows(12_345)) == 50
        for i, block in enumerate(blocks):
            interposer.let_another_thread_free_during({function!r}, block)
            assert len(rows(12_345)) == 49 - i
        assert spanheap._core.valid()
    """)
