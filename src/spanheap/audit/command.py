"""`spanheap audit`: runs a program in this process and says which of its caches grow without bound.

Exit status: 0 nothing found; 1 caches found; 2 wrong usage, or no program that can run; 3 too short a run to tell.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from spanheap.audit import report
from spanheap.program import arguments
from spanheap.program.execution import run

NOTHING, FOUND, USAGE, TOO_SHORT = 0, 1, 2, 3

_BUDGET_MS = 1000   # of a look: who starts an audit wants it complete
_WITH_VALUE = ("--json", "--interval", "--min-growth")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "audit", usage="spanheap audit [--json FILE] [--interval S] [--min-growth N] [--] (-m MODULE | SCRIPT) ...",
        help="which caches of a service keep spans, or grow without bound",
        description="Runs a program (a service under load, or its tests) in this process, looks at its containers while it "
                    "works, and lists those that keep ended spans or grow without bound; docs/audit.md.",
        epilog="exit status: 0 nothing found, 1 caches found, 2 wrong usage, 3 too short a run to tell. The program's own "
               "status is reported.",
    )
    arguments.add_json(parser)
    parser.add_argument("--interval", type=_seconds, default=10.0, metavar="S",
                        help="seconds between looks, fewer in the beginning (default: 10)")
    parser.add_argument("--min-growth", type=_entries, default=64, metavar="N",
                        help="entries a container has to gain after the warm-up (default: 64)")
    arguments.add_program(parser)
    parser.set_defaults(run=run_audit, parser=parser)


def split(own: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Ours, up to the program's name, and the program's."""
    return arguments.split(own, _WITH_VALUE)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.05 to 3600")
    return seconds


def _entries(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of entries from 1 to 1,000,000,000")
    return int(text)


def run_audit(options: argparse.Namespace) -> int:
    target = arguments.target(options, "a test suite: spanheap audit -m pytest")
    path = arguments.json_path(options)
    import spanheap

    program = arguments.loaded(target, "audit")
    if isinstance(program, int):
        return USAGE
    session = spanheap.start(detect=None, dumps=None, tick=0.25)
    audit = session.audit(interval=options.interval, budget_ms=_BUDGET_MS, min_growth=options.min_growth)
    with audit:
        outcome = run(*program)
    findings = audit.findings()
    print("\n" + report.text(audit, findings, outcome), file=sys.stderr)
    if path is not None and not arguments.write(path, report.as_json(audit, findings, target, outcome), "audit"):
        return USAGE
    if findings:
        return FOUND
    return NOTHING if audit.is_conclusive() else TOO_SHORT
