"""Killed anywhere, a recording service leaves a file that can be read; damaged in whatever way, a file harms nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorder import fuzz, kills


def killed(rounds: int, folder: Path) -> kills.Tally:
    """So often."""
    tally = kills.Tally()
    kills.run(rounds, folder, 1, tally)
    assert tally.problems == []
    return tally


def test_some_kills(tmp_path: Path) -> None:
    """At random moments and at test points."""
    assert killed(4, tmp_path).recordings >= 2


@pytest.mark.long
@pytest.mark.once(reason="a file is a file")
@pytest.mark.parametrize("folder", ["/dev/shm", None], ids=["tmpfs", "disk"])
def test_many_kills(folder: str | None, tmp_path_factory: pytest.TempPathFactory, kill_rounds: int, tmp_path: Path) -> None:
    """On memory and on a disk: no torn record is taken, counts are within in_flight, recover always answers."""
    if folder is None:
        assert killed(kill_rounds, tmp_path).recordings > kill_rounds // 2
        return
    import tempfile

    with tempfile.TemporaryDirectory(dir=folder) as there:
        assert killed(kill_rounds, Path(there)).recordings > kill_rounds // 2


@pytest.mark.once(reason="pure functions of bytes")
def test_some_damaged_files(tmp_path: Path) -> None:
    """From the corpus, with a fixed seed."""
    found, outcomes = fuzz.run(60, 1, tmp_path, most=40)
    assert found == 0 and outcomes["read"] > 10


@pytest.mark.long
@pytest.mark.once(reason="pure functions of bytes")
def test_many_damaged_files(tmp_path: Path, fuzz_seconds: float) -> None:
    """Whatever is in a file, the reader raises SpanheapError or returns."""
    found, outcomes = fuzz.run(fuzz_seconds, 2, tmp_path)
    assert found == 0 and outcomes["read"] and outcomes["refused"]
