"""Two detectors that people have: a threshold on live bytes, and the top growth between two tracemalloc snapshots.

Both are given tracemalloc's exact live bytes and five minutes to warm up, which is more than they have in a service.
"""

from __future__ import annotations

import ast
import tracemalloc
from collections import deque
from pathlib import Path

from benchmarks.leaks.alarm import Said

WARM_UP_S = 300.0

# The notes that the benchmark itself takes are not the service's memory.
_NOT_THE_BENCHMARK = [
    tracemalloc.Filter(inclusive=False, filename_pattern=str(name))
    for name in (tracemalloc.__file__, *(Path(__file__).with_name(n) for n in ("alarm.py", "baselines.py", "watch.py")))
]


class FivePercent:
    """Alarms when live bytes are more than 5 % above those of a minute ago. Names nothing."""

    GROWTH = 1.05
    WINDOW_S = 60.0

    def __init__(self, scenario_file: Path) -> None:
        self._readings: deque[tuple[float, int]] = deque()

    def at(self, now: float, live: int) -> list[Said]:
        self._readings.append((now, live))
        while now - self._readings[0][0] > self.WINDOW_S:
            self._readings.popleft()
        before, then = self._readings[0]
        if now < WARM_UP_S or now - before < self.WINDOW_S or live <= self.GROWTH * then:
            return []
        return [Said("leak")]


class TopGrowth:
    """Compares snapshots ten minutes apart, line by line, and accuses the three lines that grew most.

    A line must have grown by 1 % of the heap that is traced: less is noise that nobody would act on.
    """

    EVERY_S = 600.0
    LINES = 3
    MATERIAL = 0.01

    def __init__(self, scenario_file: Path) -> None:
        self._file = str(scenario_file)
        self._functions = functions_by_line(scenario_file)
        self._before: tracemalloc.Snapshot | None = None
        self._next = WARM_UP_S

    def at(self, now: float, live: int) -> list[Said]:
        if now < self._next:
            return []
        self._next = now + self.EVERY_S
        snapshot = tracemalloc.take_snapshot().filter_traces(_NOT_THE_BENCHMARK)
        before, self._before = self._before, snapshot
        if before is None:
            return []
        grown = sorted(snapshot.compare_to(before, "lineno"), key=lambda line: -line.size_diff)[: self.LINES]
        return [self._said(line) for line in grown if line.size_diff > self.MATERIAL * live]

    def _said(self, line: tracemalloc.StatisticDiff) -> Said:
        frame = line.traceback[0]
        own = self._functions.get(frame.lineno) if frame.filename == self._file else None
        where = own or f"{Path(frame.filename).name}:{frame.lineno}"
        return Said("leak", site=[where], scenario_site=own, key=(frame.filename, frame.lineno))


BASELINES = {"+5 % in a minute": FivePercent, "tracemalloc top growth": TopGrowth}


def functions_by_line(path: Path) -> dict[int, str]:
    """The innermost function that each line of a file belongs to."""
    functions: dict[int, str] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}.{child.name}" if prefix else child.name
                if not isinstance(child, ast.ClassDef):
                    for line in range(child.lineno, (child.end_lineno or child.lineno) + 1):
                        functions[line] = name
            visit(child, name)

    visit(ast.parse(path.read_text()), "")
    return functions
