"""The last second before the memory limit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from spanheap.recorder.command import examine
from spanheap.recorder.death import Kind
from tests.integration._cgroup import memory_cgroup
from tests.recorder.service import ROOT, command

LIMIT = 96 << 20


def resident(pid: int) -> int:
    """Bytes; 0: it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


@pytest.mark.no_sanitizer(reason="has memory of its own")
def test_the_last_second_before_the_oom_killer_is_there(tmp_path: Path) -> None:
    """Killed by the kernel at a limit: the curve leads there, the leaking line and the span are named, the end is judged."""
    path = tmp_path / "recorder"
    with memory_cgroup(LIMIT) as enter:
        if enter is None:
            pytest.skip("no cgroup v1 that can be made here; the watchdog below does the same without a limit")
        done = subprocess.run([*enter, *command(path, "leak", seconds=0)], capture_output=True, timeout=100, check=False,
                              cwd=ROOT)
        ended = time.time()
    assert done.returncode == -signal.SIGKILL
    recording, death = examine(path)
    assert death.kind is Kind.LIMIT and "% of the memory limit" in death.text
    last = recording.points[-1]
    assert last.limit_bytes == LIMIT and last.used_bytes > LIMIT // 2 and ended - last.time < 1.0 + 5.0
    assert recording.sites[0].live_bytes > LIMIT // 4
    assert any(frame.filename.endswith("service.py") for frame in recording.sites[0].stack)
    assert recording.sites[0].spans[0].name.startswith("operation-") and recording.active


@pytest.mark.no_sanitizer(reason="has memory of its own")
def test_the_last_second_before_a_watchdog_is_there(tmp_path: Path) -> None:
    """Killed by resident memory, as supervisors do: the curve leads to where it was killed."""
    path = tmp_path / "recorder"
    with subprocess.Popen(command(path, "leak", seconds=0), stdout=subprocess.PIPE, cwd=ROOT) as child:
        deadline = time.monotonic() + 60
        while resident(child.pid) < LIMIT and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.005)
        child.kill()
    recording, death = examine(path)
    assert death.kind in (Kind.KILLED, Kind.LIMIT)
    assert recording.points[-1].resident_bytes > LIMIT // 2 and recording.points[-1].resident_bytes <= LIMIT + (32 << 20)
