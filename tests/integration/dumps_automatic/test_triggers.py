"""What makes a session write a dump on its own, and what keeps it from it."""

from __future__ import annotations

import logging
import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spanheap
from spanheap.detection import holding
from spanheap.detection.verdict import LeakVerdict

from ._files import BLOCK, START, written

Make = Callable[..., spanheap.Session]

held: list[bytes] = []


def verdict(name: str, holder: str | None = None) -> LeakVerdict:
    """One as the detector's."""
    return LeakVerdict(
        kind="leak", site=None, span_name=name, root_name=name, trace_ids=[], live_bytes=1e6, growth_bytes_per_s=1e3,
        share_of_growth=1.0, confidence=0.9, time_to_limit_s=None, holder=holder, since=START)


def test_a_verdict_is_dumped_once_with_its_baseline(start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0600 in a folder of 0700; the verdict and its holder are in the comments; the base shows what was there before."""
    session = start()
    session.tick(START)
    session.tick(START + 6)
    kept = [bytes(BLOCK) for _ in range(1000)]
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /", "app:_cache (dict)")])
    for second in range(7, 10):
        session.tick(START + second)
    [path] = written(tmp_path)
    dump, base = spanheap.open_dump(path), spanheap.open_dump(str(path).replace(".pb.gz", ".base.pb.gz"))
    assert dump.live_bytes - base.live_bytes == pytest.approx(len(kept) * BLOCK, rel=0.2)
    assert "reason=leak" in dump.comments and "holder=app:_cache (dict)" in dump.comments
    assert any(line.startswith("verdict=leak:") for line in dump.comments)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert session.stats().dumps_by_reason == {"written.leak": 1}


def test_the_cooldown_holds_a_verdict_up_and_does_not_lose_it(
    start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two verdicts is counted as refused once, and dumped when the cooldown is over."""
    session = start(cooldown_s=100)
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /")])
    session.tick(START)
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /"), verdict("GET /b")])
    kept = [bytes(BLOCK) for _ in range(1000)]
    for second in range(1, 100, 10):
        session.tick(START + second)
    assert session.stats().dumps_by_reason == {"refused.cooldown": 1, "written.leak": 1}
    session.tick(START + 101)
    assert session.stats().dumps_by_reason == {"refused.cooldown": 1, "written.leak": 2}
    assert len(written(tmp_path)) == 2 and kept


def test_a_dump_that_would_show_the_same_is_saved(start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two verdicts about one heap: one dump."""
    session = start(cooldown_s=0)
    kept = [bytes(BLOCK) for _ in range(1000)]
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /"), verdict("GET /b")])
    for second in range(4):
        session.tick(START + second)
    assert session.stats().dumps_by_reason == {"saved.leak": 1, "written.leak": 1}
    assert len(written(tmp_path)) == 1 and kept


def test_a_signal_asks_for_a_dump_and_its_handler_is_called(start: Make, tmp_path: Path) -> None:
    """At the next tick; afterwards the handler that was there is back."""
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))
    try:
        session = start(signal=signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR2)
        assert written(tmp_path) == []
        session.tick(START)
        session.tick(START + 1)
        assert len(written(tmp_path)) == 1 and seen == [signal.SIGUSR2]
        session.shutdown()
        os.kill(os.getpid(), signal.SIGUSR2)
        assert seen == [signal.SIGUSR2] * 2
    finally:
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize(
    ("policy", "why"),
    [({"cooldown_s": 600}, "cooldown"), ({"cooldown_s": 0, "max_per_day": 2}, "budget"), ({"cooldown_s": 0}, "saved")],
    ids=["cooldown", "budget", "saved"],
)
def test_a_signal_that_gets_no_dump_is_answered(
    start: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, policy: dict[str, Any], why: str
) -> None:
    """In one line: the reason, and the dump that is there."""
    session = start(signal=signal.SIGUSR2, **policy)
    for second in range(2):
        os.kill(os.getpid(), signal.SIGUSR2)
        session.tick(START + second)
    [path] = written(tmp_path)
    [line] = [r.getMessage() for r in caplog.records if "no dump" in r.getMessage()]
    assert line.startswith(f"spanheap: no dump on SIGUSR2 ({why}): ") and line.endswith(f"; the last one is {path}")
    session.tick(START + 2)
    assert caplog.text.count("no dump on") == 1


def test_a_signal_whose_dump_fails_is_answered_each_time(start: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Other failures are logged once."""
    session = start(signal=signal.SIGUSR2, folder="/proc/spanheap", cooldown_s=10)
    for second in (0, 1, 20):
        os.kill(os.getpid(), signal.SIGUSR2)
        session.tick(START + second)
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert ["failed (signal)" in line for line in said] == [True, False, True] and "(cooldown)" in said[1]


def test_a_signal_after_a_dump_of_another_process_is_told_of_that(
    start: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The workers of a service share the cooldown."""
    session = start(signal=signal.SIGUSR2)
    path = tmp_path / "dumps" / "spanheap-auto-1-20270115T080000Z-abcdef.pb.gz"
    path.parent.mkdir()
    path.touch()
    os.utime(path, (START - 100,) * 2)
    os.kill(os.getpid(), signal.SIGUSR2)
    session.tick(START)
    assert "no dump on SIGUSR2 (cooldown): it is within cooldown_s of the last one" in caplog.text
    assert f"; the last one is {path}" in caplog.text


def test_a_handler_that_was_replaced_is_told_once(start: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Gunicorn resets the signals of its workers."""
    before = signal.getsignal(signal.SIGUSR2)
    try:
        session = start(signal=signal.SIGUSR2)
        session.tick(START)
        assert "replaced the handler" not in caplog.text
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        session.tick(START + 1)
        session.tick(START + 2)
        assert caplog.text.count("no dump on SIGUSR2 any more") == 1
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_sigterm_goes_on_ending_a_process_without_a_handler(
    start: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning, and the signal is left alone."""
    start(signal=signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert "choose SIGUSR2" in caplog.text


@pytest.mark.parametrize("looks", [True, False])
def test_a_dump_says_who_holds_the_largest_site_unless_it_may_not_look(start: Make, tmp_path: Path, looks: bool) -> None:
    """LeakPolicy(holders=False) means no walks, for dumps either."""
    session = start(detect=spanheap.LeakPolicy(holders=looks), growth_percent=5, growth_within=10)
    held.extend(bytes(BLOCK) for _ in range(2000))
    for second in range(20):
        session.tick(START + second)
        if second == 2:
            held.extend(bytes(BLOCK) for _ in range(4000))
    [path] = written(tmp_path)
    holders = [line for line in spanheap.open_dump(path).comments if line.startswith("holder.")]
    held.clear()
    assert bool(holders) == looks
    assert session.stats().pauses == looks


def test_a_dump_says_that_the_walk_for_holders_was_cut_short(
    start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is not the same as a site that nobody holds."""
    monkeypatch.setattr(holding, "predicted_ms", lambda _: 0.0)
    in_the_way = [None] * 5_000_000
    session = start(detect=spanheap.LeakPolicy(), pause_budget_ms=1, growth_percent=5, growth_within=10)
    held.extend(bytes(BLOCK) for _ in range(2000))
    for second in range(20):
        session.tick(START + second)
        if second == 2:
            held.extend(bytes(BLOCK) for _ in range(4000))
    [path] = written(tmp_path)
    [told] = [line for line in spanheap.open_dump(path).comments if line.startswith("holder")]
    held.clear()
    assert told.startswith("holders=none found: the walk was cut short after ") and " ms site=" in told
    del in_the_way


def test_growth_in_percent(start: Make, tmp_path: Path) -> None:
    """The simple rule, when asked for."""
    session = start(growth_percent=5, growth_within=10)
    kept: list[bytes] = []
    for second in range(15):
        kept += [bytes(BLOCK) for _ in range(300)]
        session.tick(START + second)
    assert len(written(tmp_path)) == 1
    assert session.stats().dumps_by_reason["written.growth"] == 1


def test_a_full_disk_is_left_alone(start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less room than min_free_bytes: refused."""
    session = start(min_free_bytes=1 << 60)
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /")])
    session.tick(START)
    session.tick(START + 1)
    assert written(tmp_path) == [] and session.stats().dumps_by_reason == {"refused.disk_space": 1}


@pytest.mark.parametrize("what", ["a file", "a dangling link", "no such place"])
def test_a_folder_that_cannot_be_is_one_warning(
    start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """And a count; ticks go on."""
    place = tmp_path / "dumps"
    if what == "a file":
        place.touch()
    elif what == "a dangling link":
        os.symlink(tmp_path / "nowhere" / "there", place)
    else:
        place = Path("/proc/spanheap")
    session = start(folder=place, cooldown_s=10)
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /")])
    for second in range(0, 60, 5):
        session.tick(START + second)
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    stats = session.stats()
    assert stats.dump_errors == stats.dumps_by_reason["failed.leak"] >= 2 and stats.dumps_written == 0


def test_a_disk_that_fails_while_writing_leaves_nothing(
    start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half file, no temporary one, no second try before the cooldown."""
    session = start()
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /")])
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    for second in range(3):
        session.tick(START + second)
    assert [name for name in os.listdir(tmp_path / "dumps") if name != ".budget.lock"] == []
    assert session.stats().dump_errors == 1


def test_a_dump_that_somebody_makes_is_not_waited_for(
    start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latch: refused as busy, written when it is free."""
    session = start()
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /")])
    with session._profiler.dump_lock:
        session.tick(START)
    assert session.stats().dumps_by_reason == {"refused.busy": 1}
    session.tick(START + 1)
    assert session.stats().dumps_written == 1 and len(written(tmp_path)) == 1


def test_a_tick_inside_a_tick_dumps_once(start: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From whatever thread, and in whatever order."""
    session = start()

    def leaks() -> list[LeakVerdict]:
        session.tick(START)
        other = threading.Thread(target=session.tick, args=(START,))
        other.start()
        other.join(timeout=10)
        return [verdict("GET /")]

    monkeypatch.setattr(session, "leaks", leaks)
    session.tick(START)
    assert len(written(tmp_path)) == 1


def test_dumps_none_and_quiet_services_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with spanheap.profile(tick=None, dumps=None) as session:
        session.tick(time.time())
    with spanheap.profile(tick=None) as session:
        for second in range(100):
            session.tick(START + second)
        assert session.stats().dumps_by_reason == {}
    assert list(tmp_path.rglob("*.pb.gz")) == []


def test_no_fork_comes_into_the_first_dump_s_imports(start: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of that moment would wait for ever for a module that nobody is importing any more: the fork waits instead."""
    session = start()
    monkeypatch.setattr(session, "leaks", lambda: [verdict("GET /")])
    importing, go_on, order = threading.Event(), threading.Event(), []

    def slow(name: str) -> None:
        importing.set()
        go_on.wait(timeout=10)
        order.append("imported")
        monkeypatch.undo()

    monkeypatch.setattr("spanheap.dumps.loading.importlib.import_module", slow)
    ticking = threading.Thread(target=session.tick, args=(START,))
    ticking.start()
    assert importing.wait(timeout=10)
    threading.Timer(0.2, go_on.set).start()
    child = os.fork()
    if child == 0:
        os._exit(0)
    order.append("forked")
    os.waitpid(child, 0)
    ticking.join(timeout=10)
    assert order == ["imported", "forked"]


@pytest.mark.no_sanitizer(reason="there a request that cannot be ends the process")
def test_a_request_that_no_machine_could_serve_is_no_emergency(start: Make, tmp_path: Path) -> None:
    """A MemoryError of bad input says nothing about the heap; one that the limit could have served does."""
    session = start(on_memory_error=True, limit_bytes=1 << 48)
    session.tick(START)
    with pytest.raises(MemoryError):
        bytearray(1 << 50)
    session.tick(START + 1)
    assert session.stats().dumps_by_reason == {}
    with pytest.raises(MemoryError):
        bytearray((1 << 48) - 4096)
    session.tick(START + 2)
    session.tick(START + 3)
    assert session.stats().dumps_by_reason == {"written.memory_error": 1}
    assert "reason=memory_error" in spanheap.open_dump(written(tmp_path)[0]).comments
