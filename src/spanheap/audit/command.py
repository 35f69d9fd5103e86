"""`spanheap audit`: runs a program in this process and says which of its caches grow without bound.

Exit status: 0 nothing found; 1 caches found; 2 wrong usage, or no program that can run; 3 too short a run to tell.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Container, Sequence

from spanheap.audit import report
from spanheap.audit.program import Target, TargetError, load, run

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
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write the findings to FILE")
    parser.add_argument("--interval", type=_seconds, default=10.0, metavar="S",
                        help="seconds between looks, fewer in the beginning (default: 10)")
    parser.add_argument("--min-growth", type=_entries, default=64, metavar="N",
                        help="entries a container has to gain after the warm-up (default: 64)")
    parser.add_argument("-m", dest="module", metavar="MODULE", help="the module to run, then its arguments")
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="the script to run, then its arguments")
    parser.set_defaults(run=run_audit, parser=parser, arguments=())


def split(arguments: Sequence[str], with_value: Container[str] = _WITH_VALUE) -> tuple[list[str], tuple[str, ...]]:
    """Ours, up to the program's name, and the program's: what stands there is not for us to read."""
    i = 0
    while i < len(arguments):
        argument = arguments[i]
        if argument == "--":
            return [*arguments[:i], *_name(arguments[i + 1:])], tuple(arguments[i + 1 + len(_name(arguments[i + 1:])):])
        if argument.startswith("-m") or not argument.startswith("-"):
            name = _name(arguments[i:])
            return [*arguments[:i], *name], tuple(arguments[i + len(name):])
        i += 2 if argument in with_value else 1
    return list(arguments), ()


def _name(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[:2] if arguments[:1] == ["-m"] else arguments[:1]


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
    if (options.module is None) == (options.script is None):
        options.parser.error("give a script, or a module with -m (a test suite: spanheap audit -m pytest)")
    target = Target(options.module or options.script, options.module is not None, tuple(options.arguments))
    path = options.json.absolute() if options.json is not None else None   # the program may go to another folder
    if path is not None and not path.parent.is_dir():
        options.parser.error(f"--json {options.json}: there is no folder {path.parent}")
    import spanheap

    try:
        code, module = load(target)
    except TargetError as error:
        print(f"spanheap audit: error: {error}", file=sys.stderr)
        return USAGE
    except SyntaxError as error:
        sys.excepthook(SyntaxError, error.with_traceback(None), None)
        return USAGE
    session = spanheap.start(detect=None, dumps=None, tick=0.25)
    audit = session.audit(interval=options.interval, budget_ms=_BUDGET_MS, min_growth=options.min_growth)
    with audit:
        outcome = run(code, module)
    findings = audit.findings()
    print("\n" + report.text(audit, findings, outcome), file=sys.stderr)
    if path is not None:
        try:
            path.write_text(report.as_json(audit, findings, target, outcome) + "\n", encoding="utf-8")
        except OSError as error:
            print(f"spanheap audit: error: cannot write {path}: {error.strerror}", file=sys.stderr)
            return USAGE
    if findings:
        return FOUND
    return NOTHING if audit.is_conclusive() else TOO_SHORT
