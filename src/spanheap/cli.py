"""The command line: `spanheap run`, `demo`, `audit`, `doctor`, `recover`, `report`, `diff`, `top`, `dump`, `--version`.

Exit status: 0 success; 1 the command failed or, for `demo`, did not find what it should; 2 wrong usage;
130 interrupted. Of `audit`, `doctor` and `run`: see their command.py.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from spanheap.audit import command as audit
from spanheap.doctor import command as doctor
from spanheap.instrumentation import command as run
from spanheap.report import command as report
from spanheap.server import command as server
from spanheap.version import __version__

INTERRUPTED = 130   # 128 + SIGINT, as shells report it
SPLITS = {"audit": audit.split, "doctor": audit.split, "run": run.split}


def main(arguments: Sequence[str] | None = None) -> int:
    own, others = list(sys.argv[1:] if arguments is None else arguments), tuple[str, ...]()
    if own and (split := SPLITS.get(own[0])) is not None:   # what follows the name of a program is for the program to read
        first, others = split(own[1:])
        own = [own[0], *first]
    options = build_parser().parse_args(own)
    options.arguments = others
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\nspanheap: interrupted", file=sys.stderr)
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spanheap", description="Which request is holding my memory?")
    parser.add_argument("--version", action="version", version=f"spanheap {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo", help="find a leak in a traced service under load",
        description="Runs a traced HTTP service with a leak under load, names the guilty line, endpoint and "
                    "span, and compares it with the fixed service.")
    demo.add_argument("--seconds", type=duration, default=20.0, metavar="S",
                      help="load on the leaky service (default: 20)")
    demo.add_argument("--fixed-seconds", type=duration, default=10.0, metavar="S",
                      help="load on the fixed service (default: 10)")
    demo.add_argument("--output", type=pathlib.Path, default=pathlib.Path("spanheap-demo"), metavar="DIR",
                      help="folder for the service, dumps and logs (default: ./spanheap-demo)")
    demo.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write the results to FILE")
    demo.set_defaults(run=run_demo)

    recover = commands.add_parser(
        "recover", help="what a process was doing when it died, from its flight recorder",
        description="Prints what is in the file of a flight recorder (spanheap.profile(recorder=FILE)): when and how the "
                    "process ended as far as that can be known, its memory, its active spans, and what the memory was "
                    "allocated for. Also of a process that is running.")
    recover.add_argument("file", type=pathlib.Path, metavar="FILE",
                         help="the recorder file; FILE.1 is that of the process before")
    recover.add_argument("--json", action="store_true", help="print everything as JSON")
    recover.add_argument("--pprof", type=pathlib.Path, metavar="OUT",
                         help="also write the live memory to OUT, for `go tool pprof`")
    recover.set_defaults(run=run_recover)
    audit.add_parser(commands)
    server.add_parsers(commands)
    report.add_parser(commands)
    doctor.add_parser(commands)
    run.add_parser(commands)
    return parser


def duration(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 2 <= seconds <= 3600:   # below, nothing is left after the warm-up; above, it is no demo
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 2 to 3600")
    return seconds


def run_demo(options: argparse.Namespace) -> int:
    from spanheap.demo.child import DemoError
    from spanheap.demo.run import run

    try:
        found = run(options.seconds, options.fixed_seconds, options.output, options.json)
    except (DemoError, OSError) as error:
        print(f"spanheap demo: error: {error}", file=sys.stderr)
        return 1
    return 0 if found else 1


def run_recover(options: argparse.Namespace) -> int:
    from spanheap.errors import SpanheapError
    from spanheap.recorder.command import recover

    try:
        return recover(options.file, as_json=options.json, pprof_path=options.pprof)
    except SpanheapError as error:
        print(f"spanheap recover: error: {error}", file=sys.stderr)
        return 1
