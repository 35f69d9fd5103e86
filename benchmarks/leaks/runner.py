"""Runs scenarios in processes of their own, a few at a time, and reads what they say."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.leaks.alarm import Alarm
from benchmarks.leaks.scenario import declared
from benchmarks.leaks.score import Run
from benchmarks.leaks.truth import Truth

ROOT = Path(__file__).parents[2]   # what `benchmarks` is imported from


class Job(NamedTuple):
    """One process: a scenario at a seed, profiled or traced."""

    path: Path
    seed: int
    mode: str


Results = dict[Job, dict[str, Any]]


def run_all(
    jobs: Sequence[Job], *, at_a_time: int, timeout_s: float, done: Callable[[Job, dict[str, Any]], None]
) -> Results:
    """The result of each job: what the driver wrote, or {"failed": why}."""
    # The longest first, so that none is left over at the end. Tracing takes several times as long.
    ordered = sorted(jobs, key=lambda job: (job.mode != "trace", -_length(job.path)))
    results: Results = {}
    with ThreadPoolExecutor(at_a_time) as pool:
        futures = {pool.submit(run_job, job, timeout_s): job for job in ordered}
        try:
            for future in as_completed(futures):
                job = futures[future]
                results[job] = future.result()
                done(job, results[job])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def _length(path: Path) -> float:
    duration = declared(path).get("DURATION_S", 0)
    return float(duration) if isinstance(duration, (int, float)) else 0.0


def run_job(job: Job, timeout_s: float) -> dict[str, Any]:
    """One process from start to end; it does not outlive its time, and neither do its children."""
    with tempfile.TemporaryDirectory(prefix="leaks-") as folder:
        out = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.leaks.driver", job.mode, str(job.seed), str(job.path), str(out)]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environment = {
            **os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(job.seed % 2**32), "TMPDIR": folder,
            "PYTHONWARNINGS": "ignore",
        }
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )
        try:
            _, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return _failed(job, f"took longer than {timeout_s:g} s")
        finally:
            _end(process)
        if not out.exists():
            return _failed(job, f"died with status {process.returncode}: {errors.strip()[-500:]}")
        result: dict[str, Any] = json.loads(out.read_text())
        return result


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _failed(job: Job, why: str) -> dict[str, Any]:
    return {"declared": declared(job.path), "failed": why}


def runs(results: Results, paths: Sequence[Path], seeds: Sequence[int]) -> Iterator[tuple[str, Run]]:
    """(detector, what it said of one scenario at one seed): `spanheap`, and each baseline that was run."""
    for path in paths:
        for seed in seeds:
            trace = results.get(Job(path, seed, "trace"))
            truth = Truth.of(trace) if trace is not None and "curve" in trace else None
            yield "spanheap", _run(path, seed, results[Job(path, seed, "profile")], truth)
            if trace is not None:
                base = _run(path, seed, trace, truth)
                for name in trace.get("baselines", BASELINE_NAMES):
                    yield name, replace(base, alarms=[Alarm(**one) for one in trace.get("baselines", {}).get(name, ())])


def _run(path: Path, seed: int, result: dict[str, Any], truth: Truth | None) -> Run:
    known = {**result["declared"], **{k.upper(): v for k, v in result.get("scenario", {}).items()}}
    return Run(
        name=path.stem, kind=str(known.get("KIND", "unknown")), span=str(known.get("SPAN", "")), site=known.get("SITE"),
        holder=known.get("HOLDER"), duration_s=float(known.get("DURATION_S", 0)), seed=seed,
        alarms=[Alarm(**one) for one in result.get("alarms", ())], truth=truth, run_s=result.get("run_s", 0.0),
        skipped=result.get("skipped", ""), failed=result.get("failed", ""),
    )


BASELINE_NAMES: tuple[str, ...] = ("+5 % in a minute", "tracemalloc top growth")
