"""Sampling windows against the always-on hook: cost and bias (docs/decisions/0003-sampling-windows.md).

    python -m benchmarks.windows cost [SECONDS]     CPU ratio to off, alternating in one process
    python -m benchmarks.windows bias [ROUNDS]      estimate / truth of small blocks, steady and in bursts

With windows, small allocations are watched a share of the time only, at that share of the interval. Large ones always are.
"""

from __future__ import annotations

import random
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from spanheap import _core

INTERVAL = 512 * 1024.0
SHARE = 0.25


class Windows:
    """Opens a window of `length` seconds, then waits an exponential gap; on average SHARE of the time is open."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        gap = self._length * (1 - SHARE) / SHARE
        while not self._stop.wait(random.expovariate(1 / gap)):
            _core.open_window(self._length)
            if self._stop.wait(self._length):
                return


def start(share: float, interval: float = INTERVAL, seed: int = 1) -> None:
    problem = _core.start(interval, 65536, 64, 1024, True, seed, share)
    assert problem is None, problem


def small_objects(live: deque[object]) -> None:
    for _ in range(40):
        rows = [(i, i * 0.5, f"row-{i}") for i in range(1000, 1400)]
        index = {name: [n, {"w": w}] for n, w, name in rows}
        live.append((rows, index))


def cost(seconds: float) -> None:
    """Blocks of half a second, so that several windows fall into each; off, on, on, off."""
    live: deque[object] = deque(maxlen=64)
    modes: dict[str, Callable[[], Windows | None]] = {
        "always": lambda: None,
        "windows of 10 ms": lambda: Windows(0.01),
        "windows of 50 ms": lambda: Windows(0.05),
        "windows of 200 ms": lambda: Windows(0.2),
    }

    def block(mode: str | None) -> float:
        windows = None
        if mode is not None:
            start(1.0 if mode == "always" else SHARE)
            windows = modes[mode]()
        if windows is not None:
            windows.__enter__()
        begin = time.process_time()
        for _ in range(60):
            small_objects(live)
        spent = time.process_time() - begin
        if windows is not None:
            windows.__exit__()
        _core.stop()
        return spent

    ratios: dict[str, list[float]] = {mode: [] for mode in modes}
    block(None)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for mode in modes:
            a, b, c, d = block(None), block(mode), block(mode), block(None)
            ratios[mode].append((b + c) / (a + d))
    for mode, found in ratios.items():
        low, middle, high = statistics.quantiles(found, n=4)
        half = 1.57 * (high - low) / len(found) ** 0.5
        print(f"{mode:20} n={len(found):3}  CPU ratio {middle:.4f} +- {half:.4f}")


def allocate(count: int) -> None:
    for _ in range(count):
        object().__reduce_ex__(2)   # a few small blocks a turn, all released


def bias(rounds: int) -> None:
    """Allocated bytes of released small blocks; the truth is what the hook, always on, counts at 1/64 of the interval."""

    def steady() -> None:
        allocate(400_000)

    def bursts() -> None:   # a service at 10 % load: 5 ms of work, 45 ms of waiting
        for _ in range(40):
            allocate(2_500)
            time.sleep(0.045)

    for work in (steady, bursts):
        start(1.0, INTERVAL / 64)
        for _ in range(4):
            work()
        truth = _core.sums()[2] / 4
        _core.stop()
        for length in (None, 0.01, 0.05, 0.2):
            estimates = []
            for seed in range(rounds):
                start(1.0 if length is None else SHARE, INTERVAL / 16, seed)
                if length is None:
                    work()
                else:
                    with Windows(length):
                        work()
                estimates.append(_core.sums()[2] / truth)
                _core.stop()
            error = statistics.stdev(estimates) / len(estimates) ** 0.5
            kind = "always" if length is None else f"windows of {length * 1000:.0f} ms"
            print(f"{work.__name__:8} {kind:20} estimate / truth {statistics.mean(estimates):.3f} +- {error:.3f}, "
                  f"spread {statistics.stdev(estimates):.3f}")


if __name__ == "__main__":
    what, amount = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    cost(amount) if what == "cost" else bias(int(amount))
