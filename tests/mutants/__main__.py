"""The command line: python -m tests.mutants [NAME…]."""

from __future__ import annotations

import argparse
import sys
import tempfile
import textwrap
import time
from collections import Counter
from pathlib import Path

import tests.mutants
from tests.mutants.catalogue import BUG_CLASSES, MUTANTS
from tests.mutants.workshop import BuildFailed, Verdict, Workshop


def main() -> int:
    """Return 0 when the tests pass on the code as it is and every mutant is killed."""
    by_name = {mutant.name: mutant for mutant in MUTANTS}
    description = (tests.mutants.__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=description)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to build (default: all)")
    parser.add_argument("--list", action="store_true", help="list them, with the tests that must fail")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in by_name]:
        parser.error(f"no such mutant: {', '.join(unknown)}; there are {', '.join(by_name)}")
    chosen = [by_name[name] for name in arguments.names] or list(MUTANTS)

    if arguments.list:
        for number, bug_class in BUG_CLASSES.items():
            of_class = [mutant for mutant in chosen if mutant.bug_class == number]
            if of_class:
                print(f"{number:2}  {bug_class}")
            for mutant in of_class:
                print(f"    {mutant.name:25} {mutant.description}")
                for test in mutant.tests:
                    print(f"{'':30}{test}")
        return 0

    start = time.monotonic()
    verdicts: Counter[Verdict] = Counter()
    with tempfile.TemporaryDirectory(prefix="spanheap-mutants-") as folder:
        workshop = Workshop(Path(folder))
        print("building the code as it is, and running the tests …", flush=True)
        try:
            failure = workshop.unmutated_failure(chosen)
        except BuildFailed as error:
            failure = f"it does not build\n{error}"
        if failure is not None:
            print(f"FAILED without any mutant: {failure}")
            return 1
        for i, mutant in enumerate(chosen, 1):
            outcome = workshop.judge(mutant)
            verdicts[outcome.verdict] += 1
            print(f"{time.monotonic() - start:5.0f} s  {i:2}/{len(chosen)}  class {mutant.bug_class:2}  {mutant.name:26} "
                  f"{outcome.verdict.value}", end="", flush=True)
            if outcome.verdict is Verdict.KILLED:
                print(f" ({outcome.details})", flush=True)
            else:
                print("\n" + textwrap.indent(outcome.details, "    "), flush=True)
    print(", ".join(f"{count} {verdict.value}" for verdict, count in verdicts.items()))
    return 0 if set(verdicts) == {Verdict.KILLED} else 1


if __name__ == "__main__":
    sys.exit(main())
