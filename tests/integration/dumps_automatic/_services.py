"""Processes in trouble: one that runs out of memory, one that is killed while it dumps."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import spanheap
from spanheap.errors import CorruptFile

# Grows to this part of an enforced limit at once, then sits there; every thread of it is in its way by then.
_AT_THE_LIMIT = """
import resource, sys, time
import spanheap
folder, fraction, extra = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
upper = {} if fraction <= 1 else {"aggregates_at": None}   # then only what is refused counts
# A busy machine has a tick on the way to the limit, at which the lower rung would have a dump of its own.
session = spanheap.start(tick=0.05, sample_interval=64 * 1024, detect=None,
                         dumps=spanheap.DumpPolicy(folder=folder, min_free_bytes=0, full_at=None, **upper))
virtual = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = virtual + extra
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
time.sleep(0.3)
kept = []

def leak(most):
    while most > 0:
        kept.append(bytearray(20_000))
        most -= 20_000

try:
    leak(int(limit * fraction) - virtual)
except MemoryError:
    pass
if fraction > 1:   # exhausted to the last block
    for size in (4096, 512, 64):
        try:
            while True:
                kept.append(bytearray(size))
        except MemoryError:
            pass
dumps, deadline = session._profiler.dumps, time.monotonic() + 5
while time.monotonic() < deadline and not dumps.outcomes.counts and dumps._emergencies._to_enter is None:
    time.sleep(0.05)
import os
os._exit(0)
"""

# The same in a cgroup, whose limit is of resident memory; then on, until the kernel kills it.
_IN_A_CGROUP = """
import os, sys, time
import spanheap
folder, limit = sys.argv[1], int(sys.argv[2])
session = spanheap.start(tick=0.05, sample_interval=64 * 1024, detect=None,
                         dumps=spanheap.DumpPolicy(folder=folder, min_free_bytes=0, full_at=None))
kept = []

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def leak():
    kept.append(bytearray(b"x" * 20_000))

while resident() < 0.95 * limit:
    leak()
deadline = time.monotonic() + 5
while time.monotonic() < deadline and not session._profiler.dumps.outcomes.counts:
    time.sleep(0.05)
while True:
    leak()
"""

# Dumps all the time, with nothing between dumps, full ones and prepared ones in turn.
_DUMPING = """
import sys, time
import spanheap
from spanheap import memory_limit
folder = sys.argv[1]
session = spanheap.start(tick=None, sample_interval=16 * 1024, detect=None, dumps=spanheap.DumpPolicy(
    folder=folder, min_free_bytes=0, cooldown_s=0, max_per_day=1000, keep=4, full_at=None, baseline_after=0,
    growth_percent=0.01, growth_within=1))
limit = memory_limit.Limit(1000, "given")
memory_limit.find = lambda **_: [limit]
kept, now, step = [], time.time(), 0
print("ready", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    step += 1
    memory_limit.tightest = lambda _: memory_limit.Usage(900 if step % 2 else 100, limit)
    kept += [bytes(900) for _ in range(300 + 40 * step)]
    session.tick(now + step)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def dumps(folder: Path) -> list[Path]:
    """All that has a final name, bases included."""
    return sorted(folder.glob("*.pb.gz"))


def at_the_limit(folder: Path, fraction: float, extra: int = 96 << 20) -> list[spanheap.Dump]:
    """The dumps of a process that came to this part of RLIMIT_AS (above 1: to its end), each complete."""
    result = subprocess.run(
        [sys.executable, "-c", _AT_THE_LIMIT, str(folder), str(fraction), str(extra)], env=environment(), timeout=60,
        capture_output=True, text=True,
    )
    assert result.returncode == 0, result.stderr
    return [spanheap.open_dump(path) for path in dumps(folder) if ".base." not in path.name]


def in_a_cgroup(folder: Path, enter: list[str], limit: int) -> list[spanheap.Dump]:
    """The dumps of a process that came to 95 % of the limit of its cgroup, and then beyond it: each complete."""
    result = subprocess.run(
        [*enter, sys.executable, "-c", _IN_A_CGROUP, str(folder), str(limit)], env=environment(), timeout=60,
        capture_output=True, text=True,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    return [spanheap.open_dump(path) for path in dumps(folder) if ".base." not in path.name]


def killed_while_dumping(folder: Path, rng: random.Random) -> tuple[int, list[str]]:
    """One round: the number of whole files, and what is wrong with the others."""
    process = subprocess.Popen([sys.executable, "-c", _DUMPING, str(folder)], env=environment(), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0.0, 0.25))
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    whole, problems = 0, []
    for i, path in enumerate(dumps(folder)):
        try:
            if i == 0:   # takes a while
                spanheap.open_dump(path)
            gzip.decompress(path.read_bytes())   # a torn one has no checksum
            whole += 1
        except (CorruptFile, EOFError, OSError, zlib.error) as error:
            problems.append(f"{path.name}: {error}")
        path.unlink()
    return whole, problems
