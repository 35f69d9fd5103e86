"""python -m tests.property [--programs N] [--seed N] [--replay FILE]: random programs against the oracle."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

from tests.property.search import OWNERS, Counterexample, never_done, replay, search

parser = argparse.ArgumentParser(prog="python -m tests.property", description="Who owns each block of random programs?")
parser.add_argument("--programs", type=int, default=1000, help="how many (default 1000)")
parser.add_argument("--seed", type=int, default=0, help="of the programs (default 0)")
parser.add_argument("--replay", type=Path, metavar="FILE", help="run the printed program in this file instead")
parser.add_argument("--times", type=int, default=20, help="runs of it, since threads take turns (default 20)")
arguments = parser.parse_args()

if arguments.replay:
    replay(arguments.replay.read_text(), arguments.times)
    print(f"{arguments.times} runs agree")
    sys.exit()

begin = time.monotonic()


def show(done: int) -> None:
    """A line every hundred."""
    if done % 100 == 0:
        print(f"{done} programs, {time.monotonic() - begin:.0f} s", flush=True)


try:
    totals = search(arguments.programs, arguments.seed, show)
except Counterexample as problem:
    sys.exit(str(problem))
missing = never_done(totals)
owners = ", ".join(f"{totals[name]:,} {name}" for name in OWNERS)
print(f"CPython {platform.python_version()}, seed {arguments.seed}: {totals['programs']:,} programs agree, in "
      f"{totals['blocks']:,} blocks of {totals['bytes']:,} bytes ({owners})")
if missing:
    sys.exit(f"never done, so not tested: {', '.join(missing)}")
