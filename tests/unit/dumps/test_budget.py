"""The budget holds over restarts, between processes, and when its file is damaged."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from spanheap.dumps import folder
from spanheap.dumps.budget import DAY_S, Budget, Busy

pytestmark = pytest.mark.once(reason="files and figures")
NOW = 1_800_000_000.0


def budget(path: Path, *, cooldown_s: float = 600.0, max_per_day: int = 5) -> Budget:
    """As a process that has just started."""
    return Budget(path, cooldown_s=cooldown_s, max_per_day=max_per_day)


def test_fifty_restarts_share_one_budget(tmp_path: Path) -> None:
    """A service that dies every ten minutes and wants a dump each time gets four a day, and the fifth is an emergency's."""
    spent = [NOW + i * 601 for i in range(50) if budget(tmp_path).spend(NOW + i * 601, f"{i}") is None]
    assert spent == [NOW, NOW + 601, NOW + 1202, NOW + 1803]
    assert budget(tmp_path).spend(NOW + 40_000, "emergency", emergency=True) is None
    assert budget(tmp_path).spend(NOW + 50_000, "another", emergency=True) == "budget"
    assert budget(tmp_path).spend(NOW + DAY_S + 10, "tomorrow") == "budget"      # one has expired, one is kept back
    assert budget(tmp_path).spend(NOW + DAY_S + 700, "tomorrow") is None


def test_cooldown_survives_a_restart(tmp_path: Path) -> None:
    """Restarts within it get none."""
    assert budget(tmp_path).spend(NOW, "a") is None
    assert [budget(tmp_path).spend(NOW + s, "b") for s in (1, 300, 599)] == ["cooldown"] * 3
    assert budget(tmp_path).spend(NOW + 600, "b") is None


def test_an_emergency_waits_for_emergencies_alone(tmp_path: Path) -> None:
    """A fast leak has both within minutes."""
    assert budget(tmp_path).spend(NOW, "a") is None
    assert budget(tmp_path).spend(NOW + 1, "b", emergency=True) is None
    assert budget(tmp_path).spend(NOW + 2, "c", emergency=True) == "cooldown"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"dumps": 3}', b'{"dumps": [{"time": "x"}]}', b"\xff" * 99, b"[" * 99_999],
    ids=["empty", "torn", "list", "number", "row", "bytes", "deep"],
)
def test_a_damaged_file_does_not_reset_the_budget(tmp_path: Path, damage: bytes) -> None:
    """What was written is counted by the dumps that are there."""
    for i in range(4):
        name = folder.new_name()
        assert budget(tmp_path).spend(NOW + i * 601, name) is None
        (tmp_path / name).write_bytes(b"dump")
        os.utime(tmp_path / name, (NOW + i * 601,) * 2)
    (tmp_path / ".budget.json").write_bytes(damage)
    assert budget(tmp_path).refusal(NOW + 5000) == "budget"


def test_a_clock_set_back_neither_resets_nor_blocks(tmp_path: Path) -> None:
    """Dumps of the future count for the day, not for the cooldown."""
    assert budget(tmp_path, max_per_day=3).spend(NOW + 50_000, "a") is None
    assert budget(tmp_path, max_per_day=3).spend(NOW, "b") is None
    assert budget(tmp_path, max_per_day=3).spend(NOW + 700, "c") == "budget"


def test_a_process_that_holds_the_lock_is_not_waited_for(tmp_path: Path) -> None:
    """The tick must not stop."""
    with open(tmp_path / ".budget.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)   # enough to keep a writer out
        with pytest.raises(Busy):
            budget(tmp_path).spend(NOW, "a")


def test_links_in_place_of_the_files_are_not_followed(tmp_path: Path) -> None:
    """Somebody who can write to the folder cannot have other files changed."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, tmp_path / ".budget.json")
    assert budget(tmp_path).spend(NOW, "a") is None
    assert victim.read_text() == "precious"
    os.unlink(tmp_path / ".budget.lock")
    os.symlink(victim, tmp_path / ".budget.lock")
    with pytest.raises(OSError, match="symbolic"):
        budget(tmp_path).spend(NOW + 9999, "b")


def test_retention_removes_the_oldest_and_only_its_own(tmp_path: Path) -> None:
    """By number and by size, with their bases; never the newest, never what somebody asked for."""
    names = [folder.new_name() for _ in range(6)]
    for i, name in enumerate(names):
        for file in (name, folder.base_name(name)):
            (tmp_path / file).write_bytes(bytes(1000))
            os.utime(tmp_path / file, (NOW + i,) * 2)
    (tmp_path / "spanheap-1-20260101T000000Z-abcdef.pb.gz").write_bytes(bytes(5000))
    os.symlink(tmp_path / "nowhere", tmp_path / folder.new_name())
    assert folder.tidy(tmp_path, keep=4, max_bytes=1 << 30) == 2
    assert [dump.name for dump in folder.dumps(tmp_path)] == names[2:]
    assert folder.tidy(tmp_path, keep=4, max_bytes=4500) == 2
    assert folder.tidy(tmp_path, keep=4, max_bytes=1) == 1
    assert [dump.name for dump in folder.dumps(tmp_path)] == names[5:]
    assert len(os.listdir(tmp_path)) == 4


def test_files_of_killed_writers_are_removed_in_time(tmp_path: Path) -> None:
    """Those of an hour ago; one that is being written now stays."""
    old, new = tmp_path / f".spanheap-{'a' * 16}.tmp", tmp_path / f".spanheap-{'b' * 16}.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (NOW - 1e8,) * 2)
    folder.tidy(tmp_path, keep=1, max_bytes=1)
    assert not old.exists() and new.exists()
