"""The life of a session, and what it must not do to its process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import spanheap

Script = Callable[..., str]


@pytest.mark.parametrize(
    ("option", "value", "error", "accepted"),
    [
        ("sample_interval", 0, ValueError, "1 and 1,099,511,627,776"),
        ("sample_interval", "1 MiB", TypeError, "a whole number"),
        ("sample_interval", True, TypeError, "a whole number"),
        ("max_depth", 0, ValueError, "between 1 and"),
        ("max_samples", 15, ValueError, "between 16 and"),
        ("span_capacity", -1, ValueError, "between 1 and"),
        ("span_ttl", float("nan"), ValueError, "between 0.001 and 3,283,200"),
        ("tick", 0, ValueError, "between 0.01 and 3,600"),
        ("seed", 1 << 64, ValueError, "between 0 and"),
        ("pause_budget_ms", -5, ValueError, "between 0 and 60,000"),
        ("detect", "yes", TypeError, "a LeakPolicy or None"),
        ("dumps", 3, TypeError, "a DumpPolicy or None"),
    ],
)
def test_a_wrong_option_is_named(option: str, value: Any, error: type[Exception], accepted: str) -> None:
    """The message names the option, what would be right, and the value; nothing has started."""
    with pytest.raises(error) as caught:
        spanheap.start(**{option: value})
    for part in (option, accepted, repr(value)):
        assert part in str(caught.value)
    assert spanheap.current() is None


def test_a_second_start_warns_and_returns_the_running_session() -> None:
    """There is one session a process."""
    session = spanheap.start(tick=None)
    try:
        with pytest.warns(RuntimeWarning, match="already running") as caught:
            assert spanheap.start(tick=None) is session
        assert caught[0].filename == __file__
    finally:
        session.shutdown()
    assert spanheap.current() is None


def test_profile_ends_with_its_block_and_an_inner_one_does_not_stop_the_outer() -> None:
    """A library that profiles a block does no harm to the service that profiles itself."""
    with spanheap.profile(tick=None) as outer:
        with pytest.warns(RuntimeWarning), spanheap.profile(tick=None) as inner:
            assert inner is outer
        assert spanheap.current() is outer
        outer.snapshot()
    assert spanheap.current() is None


def test_a_session_ends_when_its_block_raises() -> None:
    """The exception passes, the session is gone."""
    with pytest.raises(KeyError), spanheap.profile(tick=None):
        raise KeyError("the service's own")
    assert spanheap.current() is None


def test_after_shutdown_results_are_refused_and_a_second_shutdown_is_harmless() -> None:
    """The message says how to go on."""
    session = spanheap.start(tick=None)
    session.shutdown()
    session.shutdown()
    for ask in (session.snapshot, session.dump, session.force_flush):
        with pytest.raises(spanheap.SpanheapError, match=r"shut down; spanheap\.start\(\)"):
            ask()
    session.tick(0.0)
    assert session.stats().hook == "off"


def test_a_start_that_fails_leaves_nothing_on() -> None:
    """What raises in start() must not leave a hook behind that nobody can stop."""

    class Broken:
        def get_meter(self, *_arguments: object, **_options: object) -> object:
            raise AttributeError("no meter")

    with pytest.raises(AttributeError, match="no meter"):
        spanheap.start(tick=None, meter_provider=Broken())  # type: ignore[arg-type]
    assert spanheap.current() is None
    assert not spanheap._core.running()


def test_an_interrupted_shutdown_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the tick thread is waited for leaves no session that can neither be used nor stopped."""
    session = spanheap.start(tick=1.0)
    [thread] = [t for t in threading.enumerate() if t.name == "spanheap-tick"]

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.shutdown()
    monkeypatch.undo()
    thread.join(10)
    assert not thread.is_alive()
    session.shutdown()
    assert spanheap.current() is None
    assert not spanheap._core.running()


def test_stats_count_what_was_done(every_byte: spanheap.Session) -> None:
    """Samples, stacks, memory, cost; no loss, no error."""
    before = every_byte.stats()
    kept = [bytearray(1_000) for _ in range(500)]
    every_byte.force_flush()
    stats = every_byte.stats()
    assert stats.samples - before.samples >= len(kept)
    assert stats.samples_live >= len(kept)
    assert stats.stacks > 0 and stats.memory_bytes > 0 and stats.cpu_s > 0
    assert stats.ticks == before.ticks + 1 and stats.longest_tick_s > 0
    assert stats.attribution and stats.sample_interval == 1
    assert stats.samples_dropped == stats.tick_errors == stats.processor_errors == stats.hook_lost == 0


def test_a_full_table_drops_or_thins_and_says_so() -> None:
    """adaptive=False counts what it drops; adaptive=True doubles the interval and stays right."""
    with spanheap.profile(sample_interval=1, max_samples=100, adaptive=False, tick=None) as session:
        kept = [bytearray(600) for _ in range(500)]
        stats = session.stats()
        assert stats.samples_dropped > 0 and stats.samples_live <= 100 and stats.rate_raised == 0
    del kept
    with spanheap.profile(sample_interval=1, max_samples=1_000, tick=None, seed=5) as session:
        kept = [bytearray(100_000) for _ in range(2_000)]
        stats, live = session.stats(), session.snapshot().live_bytes
        assert stats.samples_dropped == 0 and stats.samples_live <= 1_000
        assert stats.rate_raised > 0 and stats.sample_interval > 1
        assert live == pytest.approx(len(kept) * 100_000, rel=0.2)   # about 500 to 1,000 samples: 5 standard errors
    assert spanheap._core.valid()


def test_the_tick_thread_ticks_and_ends() -> None:
    """It is a daemon with a name of its own, and shutdown() waits for it."""

    def tickers() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name == "spanheap-tick"]

    with spanheap.profile(tick=0.01) as session:
        assert [t.daemon for t in tickers()] == [True]
        deadline = time.monotonic() + 10
        while session.stats().ticks < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert session.stats().ticks >= 3
    assert tickers() == []


def test_enabling_imports_neither_numpy_nor_the_sdk(script: Script) -> None:
    """A service that has neither pays for neither."""
    out = script("""
        import sys, spanheap
        with spanheap.profile(tick=0.01) as session:
            session.force_flush()
        print([m for m in sys.modules if m.split(".")[0] == "numpy" or m.startswith("opentelemetry.sdk")])
    """)
    assert out == "[]\n"


def test_a_subinterpreter_is_refused_and_does_no_harm(script: Script) -> None:
    """The import there says why; the main interpreter's session goes on, and so does what it sampled."""
    out = script("""
        import sys, spanheap
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        code = '''
        kept = [bytes(600) for _ in range(2_000)]
        del kept
        try:
            import spanheap
        except Exception as error:
            assert type(error).__name__ == "UnsupportedInterpreter", repr(error)
            assert "spanheap cannot run here" in str(error)
        else:
            raise AssertionError("imported")
        '''.replace("\\n        ", "\\n")
        run = getattr(interpreters, "run_string")
        with spanheap.profile(sample_interval=1, max_samples=1_000_000, tick=None) as session:
            for _ in range(3):
                it = interpreters.create()
                failure = run(it, code)
                assert failure is None, failure
                interpreters.destroy(it)
                session.force_flush()
            kept = [bytes(1_000) for _ in range(1_000)]
            assert session.snapshot().live_bytes > 1_000_000
            assert spanheap._core.valid()
        print("fine")
    """)
    assert out == "fine\n"


def test_interpreters_with_their_own_gil_do_not_confuse_the_check_of_the_hook(script: Script) -> None:
    """They allocate while the tick looks whether the hook is in place: it must not be installed on top of itself."""
    out = script("""
        import os, sys, threading, time, spanheap
        if sys.version_info >= (3, 13):
            import _interpreters as interpreters
            other = interpreters.create("isolated")
        elif sys.version_info >= (3, 12):
            import _xxsubinterpreters as interpreters
            other = interpreters.create(isolated=True)
        else:
            import _xxsubinterpreters as interpreters   # they share the GIL here
            other = interpreters.create()
        with spanheap.profile(tick=None) as session:
            started, stop = threading.Event(), threading.Event()
            def allocate():
                while not stop.is_set():
                    interpreters.run_string(other, "for i in range(100_000):\\n  [].append(i)")
                    started.set()
            thread = threading.Thread(target=allocate)
            thread.start()
            started.wait()
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                session.tick(0.0)
            stop.set()
            thread.join()
            print(session.stats().hook_lost, flush=True)
        os._exit(0)   # CPython's own clean-up of interpreters is not what is tested
    """)
    assert out == "0\n"


@pytest.mark.no_sanitizer(reason="measures memory")
def test_memory_of_the_profiler_is_bounded(script: Script) -> None:
    """Default options under churn: not more than 6 MiB of resident memory beside the same churn without."""
    churn = """
        import gc, random, sys
        from opentelemetry import metrics, trace, context   # the API is the application's
        import spanheap
        def peak():
            return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) / 1024
        def work(n):
            rng = random.Random(1)
            kept = [bytes(100)] * 20_000
            for i in range(n):
                kept[rng.randrange(20_000)] = bytearray(rng.randrange(1, 3_000))
                if i % 50 == 0:
                    scope = {}
                    exec(f"def f{i}(): return bytes({i} % 600)", scope)
                    kept[rng.randrange(20_000)] = scope[f"f{i}"]()
        work(200_000)
        if ON:
            with spanheap.profile(tick=0.05):
                work(400_000)
        else:
            work(400_000)
        print(peak())
    """
    on, off = (float(script(churn.replace("ON", str(value)))) for value in (True, False))
    assert on - off <= 6.0


def test_the_core_refuses_what_needs_a_start(script: Script) -> None:
    """Before the first start there are no tables: an error, not a crash."""
    assert script("""
        import spanheap
        from spanheap import _core
        calls = (_core.valid, _core.counters, _core.sums, _core.Capture, lambda: _core.tick(1),
                 lambda: _core.live_by_root(5), lambda: _core.active_spans(5), lambda: _core.name_threads([]),
                 _core.live_by_labels)
        for call in calls:
            try:
                call()
            except RuntimeError as error:
                assert "not started" in str(error)
            else:
                raise AssertionError(call)
        assert not _core.running() and _core.hook_mode() == "off"
        _core.stop()
        print("fine")
    """) == "fine\n"
