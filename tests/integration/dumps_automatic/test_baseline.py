"""Beside each dump is what to compare it with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from tests.integration.detection import _service

from ._files import BLOCK, START, base, fill, resident, written

Make = Callable[..., spanheap.Session]


def dump_on_signal(session: spanheap.Session, now: float) -> None:
    """The simplest trigger."""
    os.kill(os.getpid(), signal.SIGUSR2)
    session.tick(now)


def grown(dump: Path) -> float:
    """Bytes since its base."""
    return spanheap.open_dump(dump).live_bytes - spanheap.open_dump(base(dump)).live_bytes


def test_a_leak_in_a_real_service_is_found_and_dumped_with_its_base(start: Make, tmp_path: Path) -> None:
    """2 MB a second in a dict: seconds later a full dump names line, endpoint and holder, and the base has little of it."""
    provider = TracerProvider(shutdown_on_exit=False)
    tracer = provider.get_tracer("tests")
    session = start(
        detect=spanheap.LeakPolicy(memory_limit=1 << 30), baseline_after=60, tracer_provider=provider)
    try:
        for second in range(1, 41):
            for n in range(100):
                with tracer.start_as_current_span("GET /orders"):
                    _service.leak(second * 100 + n)
            session.tick(START + second)
            if written(tmp_path):
                break
    finally:
        _service.forget()
    [path] = written(tmp_path)
    dump = spanheap.open_dump(path)
    assert {"reason=leak"} < set(dump.comments) and session.stats().dumps_by_reason == {"written.leak": 1}
    assert dump.metadata["verdict"].startswith("leak: ") and '"root_name": "GET /orders"' in dump.metadata["verdict.1"]
    assert "_service:unbounded_orders (dict" in dump.metadata["holder"]
    [site] = dump.sites(1)
    assert site.application_frame is not None and site.application_frame.function.endswith("leak")
    assert grown(path) > 0.9 * (second - 1) * 100 * 20_000


def test_a_dump_of_the_first_minute_has_a_base(start: Make, tmp_path: Path) -> None:
    """The heap at the first tick."""
    session = start(signal=signal.SIGUSR2, baseline_after=60)
    kept = [bytes(BLOCK) for _ in range(1000)]
    session.tick(START)
    kept += [bytes(BLOCK) for _ in range(2000)]
    dump_on_signal(session, START + 11)
    [path] = written(tmp_path)
    assert grown(path) == pytest.approx(2000 * BLOCK, rel=0.2)
    assert len(kept) == 3000


def test_an_emergency_dump_of_the_first_minute_has_a_base(start: Make, tmp_path: Path) -> None:
    """The limit comes as fast as it likes."""
    limit = resident() * 4 // 3
    session = start(aggregates_at=0.85, limit_bytes=limit, baseline_after=60)
    session.tick(START)
    kept: list[bytes] = []
    fill(kept, 0.86 * limit)
    session.tick(START + 1)
    [path] = written(tmp_path)
    assert "-emergency" in path.name and grown(path) >= 0.8 * sum(map(len, kept))


def test_the_base_of_the_warm_service_replaces_the_first(start: Make, tmp_path: Path) -> None:
    """Whether there was a dump before or not: what fills up once is in it."""
    session = start(signal=signal.SIGUSR2, baseline_after=60, cooldown_s=0)
    session.tick(START)
    kept = [bytes(BLOCK) for _ in range(2000)]
    dump_on_signal(session, START + 11)
    session.tick(START + 60)
    kept += [bytearray(BLOCK) for _ in range(500)]   # type: ignore[misc]
    dump_on_signal(session, START + 70)
    first, second = sorted(written(tmp_path), key=os.path.getmtime)
    assert grown(first) == pytest.approx(2000 * BLOCK, rel=0.2)
    assert grown(second) == pytest.approx(500 * BLOCK, rel=0.3)
    assert len(kept) == 2500


def test_what_is_new_is_held_against_the_base_that_the_last_dump_had(start: Make, tmp_path: Path) -> None:
    """Three times as much as in the dump before the base was replaced: not the same, though nothing grew since the base."""
    session = start(signal=signal.SIGUSR2, baseline_after=60, cooldown_s=0)
    session.tick(START)
    kept: list[bytes] = []
    for at in (11, 12, 61):
        if at != 12:
            kept += [bytes(BLOCK) for _ in range(1000 if at == 11 else 2000)]
        if at == 61:
            session.tick(START + 60)
        dump_on_signal(session, START + at)
    assert session.stats().dumps_by_reason == {"saved.signal": 1, "written.signal": 2}
    assert len(written(tmp_path)) == 2 and kept


def test_what_an_emergency_dump_has_shown_is_saved(start: Make, tmp_path: Path) -> None:
    """A full dump of the same heap would cost another of the day's."""
    limit = resident() * 4 // 3
    session = start(signal=signal.SIGUSR2, aggregates_at=0.85, limit_bytes=limit, cooldown_s=0)
    session.tick(START)
    kept: list[bytes] = []
    fill(kept, 0.86 * limit)
    session.tick(START + 1)
    dump_on_signal(session, START + 2)
    assert session.stats().dumps_by_reason == {"saved.signal": 1, "written.memory_limit": 1}
    kept += [bytearray(1 << 20) for _ in range(2 * len(kept))]   # type: ignore[misc]
    dump_on_signal(session, START + 3)
    assert session.stats().dumps_by_reason["written.signal"] == 1 and len(written(tmp_path)) == 2 and kept


@pytest.mark.needs("go", "golang-go")
def test_go_tool_pprof_shows_what_has_grown(start: Make, tmp_path: Path) -> None:
    """`-diff_base`: of what was there before, no more than a list that has moved."""
    session = start(signal=signal.SIGUSR2)

    kept: list[bytes] = []

    def was_there() -> None:
        for _ in range(5000):
            kept.append(bytes(BLOCK))

    def has_grown() -> None:
        for _ in range(2000):
            kept.append(bytes(BLOCK))

    was_there()
    session.tick(START)
    session.tick(START + 6)
    has_grown()
    dump_on_signal(session, START + 7)
    [path] = written(tmp_path)
    done = subprocess.run(
        ["go", "tool", "pprof", "-top", "-unit=B", "-sample_index=inuse_space", "-diff_base", base(path), path],
        capture_output=True, text=True, timeout=60, check=True,
        env=os.environ | {"PPROF_TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    flat = {name: int(size) for size, name in re.findall(r"^ *(-?\d+)B .*?(\w+)$", done.stdout, re.MULTILINE)}
    assert flat["has_grown"] == pytest.approx(2000 * BLOCK, rel=0.2)
    assert abs(flat.get("was_there", 0)) < 100_000 and len(kept) == 7000
