"""Score the detector on leaks and on what only looks like one.

    python -m benchmarks.leaks [--half tune] [--only NAME] [--seeds 3 | --full] [--json OUT]

One seed by default, in at most five minutes on two cores. The exit status is 0 when the run completed, whatever the score.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.leaks import frozen, report, runner
from benchmarks.leaks.alarm import is_function
from benchmarks.leaks.scenario import InvalidScenario, paths
from benchmarks.leaks.score import Score, score
from benchmarks.leaks.truth import Truth

FULL_SEEDS = 20


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks", description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", type=Path, default=frozen.FOLDER, help="a folder of scenarios (default: ours)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the scores there, too")
    parser.add_argument("--only", action="append", metavar="NAME", help="run this scenario; may be given again")
    parser.add_argument("--half", choices=(*frozen.HALVES, "all"), default="all", help="tune a detector on `tune` alone")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each scenario (default 1)")
    parser.add_argument("--full", action="store_true", help=f"{FULL_SEEDS} seeds")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes at a time (default 2)")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="S", help="for one process (default 300 s)")
    parser.add_argument(
        "--no-baselines", action="store_true", help="skip tracemalloc: no baselines, no times and bytes; for quick tries"
    )
    parser.add_argument("--check", action="store_true", help="only check that each scenario does what its KIND says")
    options = parser.parse_args(arguments)
    for name in ("seeds", "jobs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(options, name)}")
    if options.json is not None and not options.json.resolve().parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.resolve().parent}")
    return options


def chosen(options: argparse.Namespace) -> list[Path]:
    """The scenario files asked for. Raises InvalidScenario when there are none."""
    found = paths(options.scenarios)
    known = {path.stem for path in found}
    unknown = sorted(set(options.only or ()) - known)
    if unknown:
        raise InvalidScenario(f"no scenario {', '.join(unknown)} in {options.scenarios}: it has {', '.join(sorted(known))}")
    return [
        path for path in found
        if (not options.only or path.stem in options.only)
        and (options.half == "all" or frozen.half_of(path.stem) == options.half)
    ]


class Progress:
    """A line on stderr for each process that ended."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._done = 0

    def __call__(self, job: runner.Job, result: dict[str, Any]) -> None:
        self._done += 1
        end = next((f"{how.upper()}: {result[how]}" for how in ("failed", "skipped") if how in result), "")
        if not end:
            end = f"{result['run_s']:.1f} s (CPU {result['cpu_s']:.1f}), {result['requests']} requests"
            if result["errors"]:
                end += f", {result['errors']} failed, the last with {result['last_error']}"
            if result.get("alarms_dropped"):
                end += f", {result['alarms_dropped']} verdicts too many to keep"
            if result["rejected"]:
                end += f", {result['rejected']} rejected"
        print(f"[{self._done}/{self._jobs}] {job.path.stem} {job.mode} seed {job.seed}: {end}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    try:
        files = chosen(options)
    except InvalidScenario as error:
        print(f"python -m benchmarks.leaks: {error}", file=sys.stderr)
        return 2
    seeds = range(1, 1 + (FULL_SEEDS if options.full else options.seeds))
    modes = ["profile"] if options.no_baselines else ["profile", "trace"]
    if options.check and options.no_baselines:
        print("python -m benchmarks.leaks: --check needs what --no-baselines leaves out", file=sys.stderr)
        return 2
    jobs = [runner.Job(path, seed, mode) for path in files for seed in seeds for mode in modes]
    started = time.monotonic()
    results = runner.run_all(jobs, at_a_time=options.jobs, timeout_s=options.timeout, done=Progress(len(jobs)))
    if options.check:
        return check(results)
    scores: dict[str, list[Score]] = {"spanheap": []}
    for detector, run in runner.runs(results, files, list(seeds)):
        scores.setdefault(detector, []).append(score(run))
    has_detector = any(result.get("detector") for result in results.values())
    print(report.as_table(scores, detector=has_detector))
    print(f"\n{len(files)} scenarios, {len(seeds)} seed(s), {time.monotonic() - started:.0f} s")
    if options.json is not None:
        document = report.as_json(scores, detector=has_detector, seeds=len(seeds))
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def check(results: runner.Results) -> int:
    """Whether each scenario grows or levels off as its KIND says, and where; the status is that of the check."""
    wrong = 0
    for job, trace in sorted(results.items(), key=lambda item: (item[0].path.stem, item[0].seed)):
        if job.mode != "trace":
            continue
        profile = results[job._replace(mode="profile")]
        problem = ""
        for result in (trace, profile):
            problem = problem or result.get("failed", "")
        if problem or "skipped" in trace:
            said = problem or f"skipped: {trace['skipped']}"
        else:
            truth, scenario = Truth.of(trace), trace["scenario"]
            problem = truth.contradiction(scenario["kind"]) or misplaced(scenario, profile, truth)
            said = problem or described(scenario["kind"], truth)
        wrong += bool(problem)
        print(f"{job.path.stem:34} seed {job.seed}: {'WRONG: ' if problem else ''}{said}")
    return 1 if wrong else 0


def misplaced(scenario: dict[str, Any], profile: dict[str, Any], truth: Truth) -> str:
    """Why SITE and SPAN are not where most was kept, as sampled; "" when they are, or where sampling cannot see it."""
    if scenario["kind"] != "leak" or truth.python_share < 0.5:
        return ""
    (site, site_bytes), (root, _) = profile["grown_sites"][0], profile["grown_roots"][0]
    if not is_function(site, scenario["site"] or ""):
        return f"keeps most ({site_bytes / 2**20:.1f} MiB) at {site!r} ('': the driver), not at {scenario['site']!r}"
    if root != scenario["span"]:
        return f"keeps most for the span {root!r}, not for {scenario['span']!r}"
    return ""


def described(kind: str, truth: Truth) -> str:
    """What was measured, in a line."""
    text = f"{kind}: peaks at {(max(truth.live) - truth.live[0]) / 2**20:.1f} MiB"
    if kind != "bounded":
        text = f"{kind}: keeps {truth.leaked_at(truth.times[-1]) / 2**20:.1f} MiB from {truth.onset_s:.0f} s on"
    for label, names in (("ended", truth.retained), ("unended", truth.unended)):
        if names:
            text += f"; keeps {label} spans: {', '.join(sorted(names))}"
    if truth.python_share < 0.95:
        text += f"; {1 - truth.python_share:.0%} from elsewhere than Python's allocators"
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
