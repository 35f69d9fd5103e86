"""Kills a recording service over and over, and reads what it left: `python -m tests.recorder.kills --rounds 500`.

Half of the rounds kill at a random moment of the first half second of work, half at a test point: before the n-th step of
claiming the file, of reporting the predecessor's death, of a tick, of the end. All rounds use one path, so each start meets
what the last kill left. After each kill:

* `spanheap recover` answers: with the recording, or (before there was a whole file) with what is wrong in one line;
* every span taken is one that was made: its trace follows from its id, its name too, and its times are of this run;
* in_flight is at most two for each thread that ends spans, and what is kept is no more than there is room for;
* the memory curve has a point that is at most one tick older than the last sign of life, give or take what a busy machine
  delays the tick by, and its points are in order;
* sites: the sum over a site's spans is no more than the site's;
* the next start that is not killed itself has reported the death, and none has twice.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spanheap import cli
from tests.recorder.service import CAPACITY, ROOT, THREADS, command, name_of, trace_of

MOST_POINTS = 32      # calls from the start of the process to its clean end, about
LATE_S = 5.0          # of a tick, on a machine that is busy with other things


@dataclass
class Tally:
    """What happened, over all rounds."""

    rounds: int = 0
    killed_at_points: int = 0
    recordings: int = 0
    refused: int = 0
    active: int = 0
    ended: int = 0
    torn: int = 0
    most_in_flight: int = 0
    reported: int = 0
    oldest_point_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (f"{self.rounds} rounds, {self.killed_at_points} of them at test points: {self.recordings} recordings read, "
                f"{self.refused} refused (killed before there was a whole file), {self.active:,} active and {self.ended:,} "
                f"ended spans checked, {self.torn} torn ones flagged, in_flight at most {self.most_in_flight}, "
                f"{self.reported} deaths reported, last point at most {self.oldest_point_s:.2f} s before the last sign of "
                f"life; {len(self.problems)} problems")


def killed(path: Path, rng: random.Random, tally: Tally, *, point: int | None) -> dict[str, Any] | None:
    """One life. What the service said when it was up; None if it did not come so far."""
    how = command(path, "serve", seconds=60) if point is None else command(path, "clean", seconds=0.2, point=point)
    with subprocess.Popen(how, stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            line = child.stdout.readline()
            if point is None:
                time.sleep(rng.random() * 0.5)
                child.send_signal(signal.SIGKILL)
            status = child.wait(60)
        finally:
            child.kill()
    tally.killed_at_points += point is not None and status == -signal.SIGKILL
    if status != -signal.SIGKILL and (point is None or status != 0):
        tally.problems.append(f"point {point}: it ended with {status}")
    return dict(json.loads(line)) if line else None


def recovered(path: Path) -> tuple[int, dict[str, Any], str]:
    """What `spanheap recover --json` says: exit status, document, errors."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = cli.main(["recover", "--json", str(path)])
    return status, json.loads(output.getvalue()) if output.getvalue() else {}, errors.getvalue()


def check(document: dict[str, Any], started: float) -> list[str]:
    """What is wrong with this recording."""
    wrong = []
    now = time.time()
    for span in document["active_spans"] + document["ended_spans"]:
        number = int(span["span_id"], 16)
        if int(span["trace_id"], 16) != trace_of(number) or span["name"] != name_of(number):
            wrong.append(f"a torn span: {span}")
        if not started - 1 < span["start"] < now + 1 or not 0 <= span.get("duration", 0) < 100:
            wrong.append(f"a time that is none: {span}")
    counts = document["ended_counts"]
    accounted = sum(counts[name] for name in ("retained", "overwritten", "expired", "dropped", "in_flight"))
    if counts["produced"] != accounted or not 0 <= counts["in_flight"] <= 2 * THREADS or counts["retained"] > CAPACITY:
        wrong.append(f"counts do not add up: {counts}")
    if counts["torn"] > counts["in_flight"] or len(document["ended_spans"]) != counts["retained"]:
        wrong.append(f"more torn or retained than there can be: {counts}")
    if len(document["active_spans"]) > CAPACITY or document["damaged"] or document["missing_bytes"]:
        wrong.append(f"damaged by a kill alone: {document['damaged']}")
    times = [point["time"] for point in document["curve"]]
    if times != sorted(times) or (times and document["death"]["time"] - times[-1] > LATE_S):
        wrong.append(f"the last second is not there: points until {times[-1:]}, alive at {document['death']['time']}")
    for site in document["sites"]:
        without_frames = bool(site["depth"]) and not site["stack"]   # depth 0: made where no Python code ran
        if sum(span["live_bytes"] for span in site["spans"]) > site["live_bytes"] + 1 or without_frames:
            wrong.append(f"a site that is not whole: {site}")
    return wrong


def run(rounds: int, folder: Path, seed: int, tally: Tally) -> None:
    """All rounds, on a file in this folder."""
    rng = random.Random(seed)
    path = folder / "recorder"
    expected: set[int] = set()    # the processes whose deaths are to be reported
    maybe: set[int] = set()       # those that a start may have reported which was killed before it could say so
    for number in range(rounds):
        tally.rounds += 1
        started = time.time()
        point = rng.randrange(1, MOST_POINTS) if number % 2 else None
        said = killed(path, rng, tally, point=point)
        if said is not None:
            pids = [death["pid"] for death in said["deaths"] if death["kind"] != "unreadable"]
            if not expected <= set(pids) <= expected | maybe or len(pids) != len(set(pids)):
                tally.problems.append(f"round {number}: of {expected} (and {maybe}) were reported {pids}")
            tally.reported += len(pids)
            expected, maybe = set(), set()
            if said["recorder"] != str(path):
                tally.problems.append(f"round {number}: recorded into {said['recorder']!r}")
        else:
            expected, maybe = set(), expected | maybe
        if not path.exists():   # killed before it was made: the predecessor's is PATH.1
            continue
        status, document, errors = recovered(path)
        if status == 0:
            tally.recordings += 1
            tally.active += len(document["active_spans"])
            tally.ended += len(document["ended_spans"])
            tally.torn += document["ended_counts"]["torn"]
            tally.most_in_flight = max(tally.most_in_flight, document["ended_counts"]["in_flight"])
            if document["curve"]:
                age = document["death"]["time"] - document["curve"][-1]["time"]
                tally.oldest_point_s = max(tally.oldest_point_s, age)
            fresh = document["identity"]["started"] > started - 1
            if document["death"]["kind"] != "clean":
                (expected if fresh else maybe).add(document["identity"]["pid"])
            if document["death"]["kind"] not in ("killed", "clean"):
                tally.problems.append(f"round {number}: it ended by a kill, not so: {document['death']}")
            wrong = check(document, started if fresh else 0.0)
            tally.problems += [f"round {number} (point {point}): {text}" for text in wrong[:3]]
        else:
            tally.refused += 1
            if status != 1 or len(errors.splitlines()) != 1 or said is not None:
                tally.problems.append(f"round {number} (point {point}): recover ended with {status}: {errors}")
    for left in folder.iterdir():
        if left.stat().st_size and left.suffix not in ("", ".1", ".2", ".3"):
            tally.problems.append(f"left behind: {left}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--folder", type=Path, default=None, help="where the file is to be (default: a temporary folder)")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    options = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        run(options.rounds, Path(folder), options.seed, tally)
    print(f"seed {options.seed}: {tally}")
    for problem in tally.problems[:20]:
        print(" ", problem)
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())
