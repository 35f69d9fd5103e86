"""Two detectors that people have: a threshold on live bytes, and the top growth between two tracemalloc snapshots.

Both are given tracemalloc's exact live bytes and five minutes to warm up, which is more than they have in a service.
"""

from __future__ import annotations

import ast
import tracemalloc
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

from benchmarks.leaks.alarm import Said

WARM_UP_S = 300.0

# The notes that the benchmark itself takes are not the service's memory.
_NOT_THE_SERVICE = {
    tracemalloc.__file__, *(str(Path(__file__).with_name(name)) for name in ("alarm.py", "baselines.py", "watch.py")),
}


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
        self._before: Counter[tuple[str, int]] | None = None
        self._next = WARM_UP_S

    def at(self, now: float, live: int) -> list[Said]:
        if now < self._next:
            return []
        self._next = now + self.EVERY_S
        sizes: Counter[tuple[str, int]] = Counter()
        for _, size, line in traced_blocks():
            sizes[line] += size
        before, self._before = self._before, sizes
        if before is None:
            return []
        growth = {line: size - before[line] for line, size in sizes.items() if line[0] not in _NOT_THE_SERVICE}
        top = sorted(growth, key=lambda line: -growth[line])[: self.LINES]
        return [self._said(*line) for line in top if growth[line] > self.MATERIAL * live]

    def _said(self, filename: str, line: int) -> Said:
        own = self._functions.get(line) if filename == self._file else None
        where = own or f"{Path(filename).name}:{line}"
        return Said("leak", site=[where], scenario_site=own, key=(filename, line))


def traced_blocks() -> Iterator[tuple[int, int, tuple[str, int]]]:
    """(domain, bytes, (file, line)) of each live block. Snapshot's own views take ten times as long for the same."""
    for domain, size, frames, *_ in tracemalloc.take_snapshot().traces._traces:   # type: ignore[attr-defined]
        yield domain, size, frames[0]


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
