"""Another rate, or no sampling, while the session runs."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest

import spanheap
from spanheap import _core

BLOCK = 2_000
BLOCKS = 3_000


def make() -> list[bytes]:
    """Allocate blocks of known bytes."""
    return [bytes(BLOCK) for _ in range(BLOCKS)]


def made(session: spanheap.Session) -> float:
    """Live bytes of `make`, as estimated."""
    rows = [row for row in session.snapshot().rows if any(frame.function == "make" for frame in row.stack[:2])]
    return sum(row.live_bytes for row in rows if row.size == SIZE)


SIZE = bytes(BLOCK).__sizeof__()
TRUTH = BLOCKS * SIZE


def test_estimates_stay_unbiased_through_changes_of_the_interval() -> None:
    """The mean over seeds of what was made at three rates is the truth, though most samples are of one of them."""
    estimates = []
    for seed in range(60):
        with spanheap.profile(tick=None, seed=seed, sample_interval=200_000, detect=None, dumps=None) as session:
            kept = make()
            session.configure(sample_interval=10_000)
            kept += make()
            session.configure(sample_interval=400_000)
            kept += make()
            estimates.append(made(session))
            del kept
            assert _core.valid()
    mean = sum(estimates) / len(estimates)
    error = (sum((e - mean) ** 2 for e in estimates) / len(estimates) / (len(estimates) - 1)) ** 0.5
    assert abs(mean - 3 * TRUTH) < 4 * error
    assert error < 0.05 * 3 * TRUTH   # else it would not notice


def test_a_smaller_interval_is_in_force_at_once_on_every_thread() -> None:
    """A thread whose next sample was a terabyte away, and one with large blocks, are sampled from here on."""
    turn, done = threading.Semaphore(0), threading.Semaphore(0)
    kept: list[Any] = []

    def work() -> None:
        for _ in range(2):
            turn.acquire()
            kept.append(make())
            kept.append([bytes(600) for _ in range(BLOCKS)])
            done.release()

    with spanheap.profile(tick=None, sample_interval=1 << 40, detect=None, dumps=None) as session:
        thread = threading.Thread(target=work)
        thread.start()
        turn.release()
        done.acquire()
        before = session.stats().samples
        session.configure(sample_interval=1)
        turn.release()
        done.acquire()
        thread.join()
        stats = session.stats()
        assert before == 0 and stats.sample_interval >= 1 and stats.reconfigured == 1
        assert stats.samples >= 2 * BLOCKS
        kept.clear()


def test_off_takes_no_samples_and_keeps_track_of_those_there_are() -> None:
    """What is freed while it is off goes from the figures; what is made then is not in them; on again, it is."""
    with spanheap.profile(tick=None, sample_interval=1, adaptive=False, max_samples=1 << 16, detect=None) as session:
        first, second = make(), make()
        session.configure(enabled=False)
        samples = session.stats().samples
        assert made(session) == pytest.approx(2 * TRUTH) and not session.stats().sampling
        unseen = make()
        del first
        session.force_flush()
        assert session.stats().samples == samples
        assert made(session) == pytest.approx(TRUTH)
        session.configure(enabled=True)
        third = make()
        assert made(session) == pytest.approx(2 * TRUTH)
        assert session.stats().sampling and session.stats().reconfigured == 2
        del second, third, unseen
        assert made(session) == 0 and _core.valid()


def test_a_session_can_start_with_sampling_off() -> None:
    """Installed everywhere, switched on where it is needed."""
    with spanheap.profile(tick=None, sample_interval=1, enabled=False) as session:
        kept = make()
        assert session.stats().samples == 0 and not session.stats().sampling
        session.configure(enabled=True)
        kept += make()
        assert made(session) > 0.9 * TRUTH


def test_what_changes_nothing_is_no_change() -> None:
    """The interval that a full table has doubled stays."""
    with spanheap.profile(tick=None, sample_interval=1, max_samples=1024) as session:
        kept = make()
        raised = session.stats().sample_interval
        session.configure()
        session.configure(sample_interval=1, enabled=True)
        assert session.stats().sample_interval == raised > 1
        assert session.stats().reconfigured == 0
        del kept


@pytest.mark.parametrize(
    ("options", "error", "accepted"),
    [
        ({"sample_interval": 0}, ValueError, "1 and 1,099,511,627,776"),
        ({"sample_interval": "1 MiB"}, TypeError, "a whole number"),
        ({"enabled": "no"}, TypeError, "True, False or None"),
    ],
)
def test_a_wrong_value_is_named_and_changes_nothing(options: dict[str, Any], error: type[Exception], accepted: str) -> None:
    """As at the start."""
    with spanheap.profile(tick=None) as session:
        with pytest.raises(error) as caught:
            session.configure(**options)
        assert accepted in str(caught.value) and repr(next(iter(options.values()))) in str(caught.value)
        assert session.stats().reconfigured == 0
    with pytest.raises(spanheap.SpanheapError, match="shut down"):
        session.configure(enabled=False)


def test_threads_may_change_it_while_others_allocate() -> None:
    """Nothing is lost or counted twice: what is live in the end is what was kept."""
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            [bytearray(size) for size in (30, 400, 1000, 5000)]

    def change() -> None:
        for interval in range(1, 150):
            session.configure(sample_interval=interval, enabled=interval % 7 > 0)

    with spanheap.profile(tick=0.01, sample_interval=100) as session:
        churning = [threading.Thread(target=churn) for _ in range(2)]
        changing = [threading.Thread(target=change) for _ in range(2)]
        for thread in churning + changing:
            thread.start()
        for thread in changing:
            thread.join()
        stop.set()
        for thread in churning:
            thread.join()
        session.configure(enabled=False)
        assert session.stats().tick_errors == 0 and session.stats().reconfigured > 100
        assert _core.valid()


def test_native_growth_is_not_made_up_of_what_was_not_sampled() -> None:
    """The heap of before the gap and the process of after it are not compared: the detector begins anew."""
    with spanheap.profile(tick=None) as session:
        session.tick(0.0)
        before = session._profiler.leaks
        session.configure(enabled=False)
        session.tick(10.0)
        assert session._profiler.leaks is before
        session.configure(enabled=True)
        session.tick(20.0)
        after = session._profiler.leaks
        assert after is not before and after is not None and after.errors == 0


class TestSignal:
    """The toggle signal, whose handler only counts."""

    def test_it_switches_off_and_on_at_a_tick(self) -> None:
        """Twice between two ticks is no change; the handler of before is called, and is back in the end."""
        calls: list[int] = []
        previous = signal.signal(signal.SIGUSR2, lambda number, _: calls.append(number))
        own = signal.getsignal(signal.SIGUSR2)
        try:
            with spanheap.profile(tick=None, toggle_signal=signal.SIGUSR2) as session:
                expected = [(1, False), (2, False), (1, True)]
                for times, sampling in expected:
                    for _ in range(times):
                        signal.raise_signal(signal.SIGUSR2)
                    session.tick(time.time())
                    assert session.stats().sampling is sampling
            assert len(calls) == 4 and signal.getsignal(signal.SIGUSR2) is own
        finally:
            signal.signal(signal.SIGUSR2, previous)

    def test_a_server_that_takes_the_handler_away_is_told_once(self, caplog: pytest.LogCaptureFixture) -> None:
        """Gunicorn resets SIGUSR2 in its workers, where it would then end them."""
        previous = signal.getsignal(signal.SIGUSR2)
        try:
            with spanheap.profile(tick=None, toggle_signal=signal.SIGUSR2) as session:
                signal.signal(signal.SIGUSR2, signal.SIG_IGN)
                session.tick(0.0)
                session.tick(1.0)
            said = [record.message for record in caplog.records if "replaced the handler" in record.message]
            assert len(said) == 1 and "SIGUSR2" in said[0]
        finally:
            signal.signal(signal.SIGUSR2, previous)

    @pytest.mark.parametrize("number", [9, 0, "SIGUSR2", signal.SIGSEGV])
    def test_what_cannot_be_handled_is_refused(self, number: Any) -> None:
        """With the way out."""
        with pytest.raises(ValueError, match="SIGUSR2"):
            spanheap.start(toggle_signal=number)
        assert spanheap.current() is None

    def test_one_signal_is_for_one_thing(self) -> None:
        """Dumps and the switch cannot share it."""
        with pytest.raises(ValueError, match="another signal"):
            spanheap.start(toggle_signal=signal.SIGUSR2, dumps=spanheap.DumpPolicy(signal=signal.SIGUSR2))
