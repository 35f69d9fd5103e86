"""Bug classes 5, 6, 10, 11, 15 and 17: other tools, forks, threads that go away, stacks that are switched.

tests/mutants/catalogue.py lists the classes, breaks the code in each of these ways, and sees these tests fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Script = Callable[..., str]

pytestmark = pytest.mark.needs("cc", "gcc")


@pytest.mark.parametrize("allocator", ["default", "malloc"])
def test_class_05_a_torn_view_of_the_raw_allocator_works(script: Script, allocator: str) -> None:
    """Threads without the GIL read the allocator field by field while it is installed: any mixture of old and new works."""
    script("""
        import interposer
        interposer.remember()
        for _ in range(3):
            session = start()
            assert interposer.mixtures_work()
            interposer.remember()   # a view from here may be in use for as long as a thread pleases
            session.shutdown()
            assert interposer.mixtures_work()
        session = start()
        assert interposer.mixtures_work() and spanheap._core.valid()
    """, PYTHONMALLOC=allocator)


@pytest.mark.parametrize("domain", ["raw", "mem", "obj"])
def test_class_05_a_tool_above_stays_in_place_when_we_stop(script: Script, domain: str) -> None:
    """Who has hooked above us since still gets every request after our stop, and takes us up again when it leaves."""
    script(f"""
        import interposer
        session = start()
        interposer.install({domain!r})
        session.shutdown()
        assert interposer.arrivals({domain!r}, 500) == (1_000, 500), "taken out by our stop"
        for _ in range(3):
            session = start()
            kept = [bytearray(n) for n in (30, 300, 3_000) for _ in range(50)]
            assert len(rows(3_001)) == 50
            session.shutdown()
        interposer.withdraw({domain!r})
        session = start()
        kept = [bytearray(3_000) for _ in range(50)]
        assert len(rows(3_001)) == 50 and spanheap._core.valid()
    """)


@pytest.mark.no_sanitizer(reason="it ends the process at a request that large")
@pytest.mark.parametrize("allocator", ["default", "malloc"])
def test_class_06_a_fork_in_the_middle_of_a_change_finds_whole_tables(script: Script, allocator: str) -> None:
    """A thread without the GIL changes the tables all the time; each child finds them whole, and the lock free."""
    script("""
        import raw_threads
        start().shutdown()   # what it imports is not to be among the samples
        session = start(sample_interval=200, max_samples=3_000)   # each of these blocks, and not much else
        raw_threads.make_with_the_gil(400, 12_345)
        raw_threads.start_failing_reallocs()
        def child():
            kept = [bytes(700) for _ in range(20)]
            assert spanheap._core.valid(), "the tables are half changed"
            # But for the one that was being resized by the thread that is not here.
            assert len(rows(12_345)) in (399, 400), "an inherited block is not accounted for"
            raw_threads.free_made()
            return not rows(12_345) and spanheap._core.valid()
        for _ in range(100):
            check_in_child(child)
        raw_threads.stop_failing_reallocs()
        assert len(rows(12_345)) == 400 and spanheap._core.valid()
    """, PYTHONMALLOC=allocator)


@pytest.mark.parametrize("allocator", ["default", "debug"])
def test_class_10_destructors_of_thread_locals_free_and_allocate(script: Script, allocator: str) -> None:
    """After its thread state is gone, and ours with it: nothing crashes, releases are seen, nothing is sampled."""
    script("""
        import raw_threads
        session = start()
        for _ in range(20):
            before = session.stats().samples
            assert raw_threads.free_in_a_destructor(30, 12_345) == 3
            assert session.stats().samples - before >= 30
            assert rows(12_345) == rows(24_690) == []
        assert session.stats().samples_without_thread_state >= 20 * 3 * 30
        assert spanheap._core.valid() and session.stats().samples_replaced == 0
    """, PYTHONMALLOC=allocator)


GREENLETS = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider, sampling
    from greenlet import getcurrent, greenlet
    provider = TracerProvider()
    hub = getcurrent()
"""


def test_class_11_greenlets_have_their_own_span_and_stack(script: Script) -> None:
    """A hundred take turns on one thread, at different depths: each block has the span and the callers of its own."""
    pytest.importorskip("greenlet", reason="greenlet is not installed (pip install greenlet)")
    script(GREENLETS + """
    session = start(tracer_provider=provider)
    tracer = provider.get_tracer("t")
    def request(i):
        with tracer.start_as_current_span(f"request {i}"):
            descend(i, 1 + i % 30)
    def descend(i, depth):
        if depth:
            kept = bytes(10_000 + i)
            hub.switch()
            descend(i, depth - 1)
            hub.switch()
            del kept
        else:
            kept_forever.append(bytes(20_000 + i))
            hub.switch()
    kept_forever = []
    header = bytes().__sizeof__()
    running = [greenlet(request) for i in range(100)]
    for i, g in enumerate(running):
        g.switch(i)
    while running:
        running = [g for g in running if not g.dead]
        for row in session.snapshot().rows:
            if row.samples and row.stack and row.stack[0].function.endswith("descend"):
                i = row.size - header
                if 10_000 <= i < 10_100 or 20_000 <= i < 20_100:
                    deep = i >= 20_000
                    i %= 10_000
                    names = [frame.function for frame in row.stack]
                    assert row.span_name == f"request {i}", (row.span_name, i)
                    assert names.count("descend") == 2 + i % 30 if deep else 1 <= names.count("descend") <= 2 + i % 30
                    assert "request" in names, names
        for g in running:
            g.switch()
    assert len(kept_forever) == 100 and spanheap._core.valid()
    """)


def test_class_11_a_switch_inside_start_span_mixes_no_spans(script: Script) -> None:
    """A sampler that switches to another greenlet: what was made for its span is never given to the other one's."""
    pytest.importorskip("greenlet", reason="greenlet is not installed (pip install greenlet)")
    script(GREENLETS + """
    class Switching(sampling.Sampler):
        def should_sample(self, parent_context, trace_id, name, *args, **kwargs):
            kept.append(bytes(1_000_000 if name.startswith("slow") else 2_000_000))
            if name.startswith("slow"):
                hub.switch()
            return sampling.SamplingResult(sampling.Decision.RECORD_AND_SAMPLE)
        def get_description(self):
            return "switching"
    kept = []
    provider.sampler = Switching()
    # The large blocks alone are sampled: so the last sample before a switch is the sampler's, and the next one another's.
    session = start(sample_interval=100_000, tracer_provider=provider)
    tracer = provider.get_tracer("t")
    def slow(i):
        with tracer.start_as_current_span(f"slow {i}"):
            hub.switch()
    waiting = [greenlet(slow) for _ in range(10)]
    for i, g in enumerate(waiting):
        g.switch(i)                                    # inside start_span
        with tracer.start_as_current_span(f"fast {i}"):
            kept.append(bytes(3_000_000))
    for g in waiting:
        g.switch()
    header = bytes().__sizeof__()
    spans = {size: [row.span_name for row in rows(size + header)] for size in (1_000_000, 2_000_000, 3_000_000)}
    assert len(spans[1_000_000]) == 10 and not any(name.startswith("fast") for name in spans[1_000_000]), spans
    assert sorted(spans[2_000_000]) == sorted(spans[3_000_000]) == [f"fast {i}" for i in range(10)], spans
    """)


CHOSEN = """
    def chosen(sizes):
        # Blocks of a size each: those that were sampled are found by it.
        kept = [bytes(size) for size in sizes]
        header = bytes().__sizeof__()
        return sorted(row.size - header for row in session.snapshot().rows
                      if row.samples and row.stack and row.stack[0].function.endswith("<listcomp>" if OLD else "chosen")
                      and row.size - header in sizes)
    OLD = sys.version_info < (3, 12)
"""


def test_class_17_threads_draw_their_own_random_sequences(script: Script) -> None:
    """Workers that all sample the same blocks are all blind to the same others."""
    script(CHOSEN + """
    session = start(sample_interval=20_000, seed=7)
    sequences = []
    for _ in range(4):
        thread = threading.Thread(target=lambda: sequences.append(chosen(range(1_000, 1_400))))
        thread.start()
        thread.join()
    assert all(5 < len(sequence) < 100 for sequence in sequences), sequences
    assert len(set(map(tuple, sequences))) == 4, sequences
    """)


@pytest.mark.parametrize("sizes", ["range(50, 450)", "range(1_000, 1_400)"], ids=["small", "large"])
def test_class_17_forked_children_draw_their_own_random_sequences(script: Script, sizes: str) -> None:
    """The countdown of small blocks is one of the process, that of large ones is the thread's: both part at a fork."""
    script(CHOSEN + f"    SIZES = {sizes}\n" + """
    session = start(sample_interval=2_000, seed=7)
    read, write = os.pipe()
    def child():
        sequence = chosen(SIZES)
        os.write(write, repr(sequence).encode() + b"\\n")
        return 5 < len(sequence) < 300
    for _ in range(3):
        check_in_child(child)
    os.close(write)
    with open(read) as pipe:
        sequences = pipe.read().splitlines()
    assert len(set(sequences)) == 3, sequences
    """, PYTHONMALLOC="default")
