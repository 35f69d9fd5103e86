"""Fork: the child goes on by itself, and the parent does not notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Script = Callable[..., str]

# Runs a function in a forked child and returns what it returned, by its repr.
PRELUDE = """
import ast, os, sys, threading, traceback, spanheap

def in_child(body):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, repr(body()).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(write)
    with open(read) as pipe:
        out = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return ast.literal_eval(out)

def live(function):
    sites = spanheap.current().snapshot().sites()
    return sum(s.live_bytes for s in sites if any(f.function == function for f in s.stack))

def make(n=100):
    return [bytes(10_000) for _ in range(n)]

def tickers():
    return sum(t.name == "spanheap-tick" for t in threading.enumerate())
"""


def run(script: Script, body: str) -> str:
    """Run the prelude and this body in one process."""
    import textwrap

    return script(PRELUDE + textwrap.dedent(body))


def test_inherited_blocks_stay_accounted_and_the_parent_is_untouched(script: Script) -> None:
    """The child frees half of what it has inherited and makes something; the parent's figures stay."""
    run(script, """
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=0.05) as session:
            kept = make()
            before = live("make")
            assert before >= 1_000_000
            def child():
                inherited = live("make")
                del kept[::2]
                less = live("make")
                more = make(300)
                assert spanheap._core.valid()
                return inherited, less, live("make")
            inherited, less, more = in_child(child)
            # A header that make() gave back to a free list of the interpreter's may be used again, or not, around a fork.
            assert abs(inherited - before) < 200, (inherited, before)
            assert abs(less - before / 2) < 10_000, (less, before)
            assert abs(more - less - 3_000_000) < 100_000, (more, less)
            assert abs(live("make") - before) < 200, (live("make"), before)
            assert spanheap._core.valid() and session.stats().tick_errors == 0
    """)


def test_each_child_draws_its_own_random_sequence(script: Script) -> None:
    """All workers of a pre-fork server taking the same samples would all be blind to the same blocks."""
    run(script, """
        def sampled():
            chosen = []
            for i in range(400):
                before = session.stats().samples
                block = bytes(1_000)
                if session.stats().samples > before:
                    chosen.append(i)
            return chosen
        with spanheap.profile(sample_interval=20_000, seed=7, tick=None) as session:
            first, second, parent = in_child(sampled), in_child(sampled), sampled()
            assert min(map(len, (first, second, parent))) > 5
            assert first != second and first != parent and second != parent
    """)


def test_the_child_has_no_tick_thread_until_there_is_work(script: Script) -> None:
    """Most forks only exec; the first span, sample under a span or result starts the thread, once."""
    run(script, """
        from opentelemetry.sdk.trace import TracerProvider
        provider = TracerProvider()
        tracer = provider.get_tracer("t")
        with spanheap.profile(tick=0.05, tracer_provider=provider) as session:
            def by_span():
                idle = tickers()
                for _ in range(3):
                    with tracer.start_as_current_span("work"): pass
                return idle, tickers()
            def by_result():
                idle = tickers()
                session.snapshot(); session.snapshot()
                return idle, tickers()
            def by_sample():
                other = TracerProvider().get_tracer("of a provider that nobody has told us of")
                with other.start_as_current_span("work"):
                    idle = tickers()
                    kept = make(2_000)   # 40 intervals
                    return idle, tickers()
            assert in_child(by_span) == (0, 1)
            assert in_child(by_result) == (0, 1)
            assert in_child(by_sample) == (0, 1)
            assert in_child(lambda: in_child(by_span)) == (0, 1)
            assert tickers() == 1
    """)


def test_the_child_can_stop_and_start_anew(script: Script) -> None:
    """Its new session has one tick thread; nothing of the inherited one wakes up again."""
    run(script, """
        from opentelemetry.sdk.trace import TracerProvider
        provider = TracerProvider()
        session = spanheap.start(tick=0.05, tracer_provider=provider)
        def child():
            session.shutdown()
            assert spanheap.current() is None
            with spanheap.profile(tick=0.05, sample_interval=1, tracer_provider=provider):
                with provider.get_tracer("t").start_as_current_span("work"):
                    kept = make()
                running = tickers()
                assert live("make") >= 1_000_000
            return running, tickers()
        assert in_child(child) == (1, 0)
    """)


def test_a_fork_while_the_tick_thread_holds_its_lock(script: Script) -> None:
    """The child of a fork at the worst moment can still shut down: it must not wait for a thread that is not there."""
    run(script, """
        import signal
        session = spanheap.start(tick=0.05)
        held, done = threading.Event(), threading.Event()
        def hold():
            with session._profiler.ticker._stop._cond:
                held.set()
                done.wait()
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        def child():
            signal.alarm(20)
            session.shutdown()
            return spanheap.current() is None
        try:
            assert in_child(child)
        finally:
            done.set()
            holder.join()
    """)


def test_the_child_ends_as_processes_do(script: Script) -> None:
    """A child that leaves through sys.exit() runs its exit functions and ends."""
    run(script, """
        session = spanheap.start(tick=0.05)
        for use in (False, True):
            pid = os.fork()
            if pid == 0:
                if use: session.snapshot()
                sys.exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        assert session.snapshot().samples >= 0
    """)


@pytest.mark.no_sanitizer(reason="its allocator's locks do not survive a fork while other threads allocate")
def test_a_fork_with_threads_at_work(script: Script) -> None:
    """Threads allocate, free without the GIL and make spans while the process forks again and again."""
    run(script, """
        import zlib
        from opentelemetry.sdk.trace import TracerProvider
        provider = TracerProvider()
        tracer = provider.get_tracer("t")
        done = False
        def work():
            data = zlib.compress(bytes(100_000))
            while not done:
                with tracer.start_as_current_span("work"):
                    kept = [[i] * 50 for i in range(200)]
                    zlib.decompressobj().decompress(data)
        with spanheap.profile(sample_interval=100, max_samples=1_000, tick=0.01, tracer_provider=provider) as session:
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads: thread.start()
            def child():
                kept = make()
                session.snapshot()
                return spanheap._core.valid()
            assert all(in_child(child) for _ in range(40))
            done = True
            for thread in threads: thread.join()
            assert spanheap._core.valid() and session.stats().processor_errors == 0
    """)


def test_multiprocessing_children_profile_themselves(script: Script) -> None:
    """Fork workers go on with the session; spawned ones have none."""
    out = run(script, """
        import multiprocessing
        def ask(queue):
            session = spanheap.current()
            kept = make()
            queue.put(session is not None and session.snapshot().live_bytes >= 1_000_000)
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=0.05):
            context = multiprocessing.get_context("fork")
            queue = context.SimpleQueue()
            process = context.Process(target=ask, args=(queue,))
            process.start()
            print(queue.get())
            process.join()
            assert process.exitcode == 0
    """)
    assert out == "True\n"
