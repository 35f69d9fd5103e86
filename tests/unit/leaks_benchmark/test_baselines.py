"""The detectors that ours is compared with do what they are said to do."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from benchmarks.leaks.baselines import FivePercent, TopGrowth, functions_by_line

pytestmark = pytest.mark.once(reason="arithmetic of the benchmark")


@pytest.mark.parametrize(("per_minute", "alarms"), [(1.04, False), (1.06, True)])
def test_five_percent_in_a_minute(per_minute: float, alarms: bool) -> None:
    """Compares with a minute ago, after warming up."""
    baseline = FivePercent(Path("x.py"))
    said = {t: baseline.at(float(t), int(1e8 * per_minute ** (t / 60))) for t in range(0, 1200, 10)}
    assert not any(said[t] for t in said if t < 300)
    assert all(bool(said[t]) is alarms for t in said if t >= 300)
    assert all(one.kind == "leak" and not one.site for some in said.values() for one in some)


def test_top_growth_names_the_function_that_grew(tmp_path: Path) -> None:
    """The line of a scenario's file is named by its function; a small one is not named."""
    file = tmp_path / "grower.py"
    file.write_text("def grow(kept):\n    kept.append(bytearray(300_000))\ndef sip(kept):\n    kept.append(bytearray(50))\n")
    names: dict[str, object] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    baseline, kept = TopGrowth(file), []
    tracemalloc.start(1)
    try:
        assert baseline.at(300.0, 10_000_000) == []
        for function in ("grow", "sip"):
            names[function](kept)   # type: ignore[operator]
        assert baseline.at(600.0, 10_000_000) == [], "too soon after the last snapshot"
        (said,) = baseline.at(900.0, 10_000_000)
        assert (said.kind, list(said.site), said.scenario_site) == ("leak", ["grow"], "grow")
    finally:
        tracemalloc.stop()


def test_functions_by_line_are_the_innermost(tmp_path: Path) -> None:
    """Methods under their class, nested functions under the outer one."""
    file = tmp_path / "nested.py"
    file.write_text("class A:\n    def f(self):\n        def g():\n            pass\n        return g\nx = 1\n")
    assert functions_by_line(file) == {2: "A.f", 3: "A.f.g", 4: "A.f.g", 5: "A.f"}
