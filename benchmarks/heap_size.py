"""Does the hook cost more when the heap is large?

    python -m benchmarks.heap_size [--gib 4] [--rounds 7]

Processes in turns: with and without spanheap, each with a small and a large heap. Where spanheap runs, the heap is made
while it samples, so that the live table is as full as it gets. Two loops: objects that pymalloc serves, and blocks above
512 bytes, whose release passes the filter of the live table. What the hook costs is the difference, with minus without, of
the medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import spanheap

SMALL_HEAP_BYTES = 10 << 20
BLOCK_BYTES = 256 * 1024   # of the heap: few enough objects that making 4 GiB takes seconds
PAIRS = 100_000
BLOCKS = 40                # of PAIRS pairs; the fastest tenth of them counts, since a busy machine only makes them slower


def object_pairs() -> None:
    for _ in range(PAIRS):
        object()


def buffer_pairs() -> None:
    for _ in range(PAIRS):
        bytes(600)


LOOPS: dict[str, Callable[[], None]] = {"object()": object_pairs, "bytes(600)": buffer_pairs}


def nanoseconds(loop: Callable[[], None]) -> float:
    """CPU time of a pair."""
    times = []
    for _ in range(BLOCKS):
        start = time.process_time_ns()
        loop()
        times.append((time.process_time_ns() - start) / PAIRS)
    return statistics.median(sorted(times)[: BLOCKS // 10])


def child(profiled: bool, heap_bytes: int) -> None:
    """Make the heap, run the loops, print their times and the number of live samples."""
    session = spanheap.start() if profiled else None
    heap = [bytes(BLOCK_BYTES) for _ in range(heap_bytes // BLOCK_BYTES)]
    print(*(nanoseconds(loop) for loop in LOOPS.values()), session.stats().samples_live if session else 0)
    del heap


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--gib", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0] == "with", int(arguments.child[1]))
        return
    heaps = {"10 MiB": SMALL_HEAP_BYTES, f"{arguments.gib:g} GiB": int(arguments.gib * 2**30)}
    times: dict[tuple[str, str, str], list[float]] = {}
    for _ in range(arguments.rounds):
        for heap, size in heaps.items():
            for kind in ("without", "with"):
                command = [sys.executable, "-m", "benchmarks.heap_size", "--child", kind, str(size)]
                *found, samples = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                for name, value in zip(LOOPS, found, strict=True):
                    times.setdefault((name, heap, kind), []).append(float(value))
                times.setdefault(("samples", heap, kind), []).append(float(samples))
    print(f"{'':12}{'heap':>8}{'without':>10}{'with':>10}{'hook':>8}   ns a pair, medians of {arguments.rounds} processes")
    for name in LOOPS:
        for heap in heaps:
            without, with_ = (statistics.median(times[name, heap, kind]) for kind in ("without", "with"))
            live = statistics.median(times["samples", heap, "with"])
            print(f"{name:12}{heap:>8}{without:10.2f}{with_:10.2f}{with_ - without:8.2f}   {live:,.0f} live samples")


if __name__ == "__main__":
    main()
