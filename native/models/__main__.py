"""python -m native.models [--long]: what Spin and relacy say of the protocols, and whether they notice it broken."""

from __future__ import annotations

import argparse
import sys
import time

from native.models.checks import CHECKS, CannotRun

parser = argparse.ArgumentParser(prog="python -m native.models", description="Checks the models.")
parser.add_argument("--long", action="store_true", help="the larger forms, too: minutes, and some GiB of memory")
arguments = parser.parse_args()

failed, missing = [], set()
for check in CHECKS:
    if check.long and not arguments.long:
        continue
    start = time.monotonic()
    try:
        held, visited = check.run()
    except CannotRun as problem:
        missing.add(str(problem))
        continue
    word = "holds" if held else "violated"
    print(f"{check.name:<52} {word:<9} {visited:>32} {time.monotonic() - start:6.1f} s"
          + ("" if held == check.holds else "   UNEXPECTED"), flush=True)
    if held != check.holds:
        failed.append(check.name)
for hint in sorted(missing):
    print(f"NOT CHECKED for want of {hint}")
if failed:
    sys.exit(f"unexpected: {', '.join(failed)}")
