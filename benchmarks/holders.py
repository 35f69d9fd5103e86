"""How long and how large is a walk over a million objects?

    python -m benchmarks.holders [--objects 1000000] [--rounds 5]

Tracked objects as services have them: instances, dicts, lists, tuples, reached from a module. Looked for is an object
that is not there, so that everything is walked; then the last entry of a map. The target is 250 ms and 40 MiB.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from types import ModuleType
from typing import Any

from spanheap.retention import holders


class Order:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lines = [(number, [number]), {"price": [number]}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    application: Any = ModuleType("application")
    sys.modules["application"] = application
    gc.disable()
    application.orders = {i: Order(i) for i in range(arguments.objects // 6)}
    gc.enable()
    gc.collect()
    print(f"{len(gc.get_objects()):,} tracked objects, CPython {sys.version.split()[0]}")
    last = application.orders[arguments.objects // 6 - 1]
    for what, wanted in (("not there: the whole heap", object()), ("the last of a map", last)):
        searches, cpu = [], []
        for _ in range(arguments.rounds):
            start = time.thread_time()
            searches.append(holders.search((wanted,), budget_ms=10_000))
            cpu.append((time.thread_time() - start) * 1e3)
        pauses = [search.pause_s * 1e3 for search in searches]
        first = searches[0]
        spread = f"(of {len(pauses)}: {min(pauses):.1f} to {max(pauses):.1f})"
        print(f"{what:26} pause {statistics.median(pauses):6.1f} ms {spread}, CPU {statistics.median(cpu):6.1f} ms, "
              f"{first.memory_bytes / 2**20:5.1f} MiB, {first.visited:,} visited, complete: {first.complete}")
        for holder in first.holders:
            print(f"    {holder}")


if __name__ == "__main__":
    main()
