"""`spanheap doctor`: runs a program in this process, and examines how it has set OpenTelemetry up.

Exit status: 0 nothing found; 1 mistakes found; 2 wrong usage, or no program that can run; 3 the program has set up no SDK.
"""

from __future__ import annotations

import argparse
import sys

from spanheap.program import arguments
from spanheap.program.execution import run

NOTHING, FOUND, USAGE, NO_SDK = 0, 1, 2, 3


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "doctor", usage="spanheap doctor [--json FILE] [--] (-m MODULE | SCRIPT) ...",
        help="what a program does with the OpenTelemetry SDK that costs memory",
        description="Runs a program in this process until it ends, and examines the providers, processors, exporters and "
                    "instruments it has set up; docs/doctor.md.",
        epilog="exit status: 0 nothing found, 1 mistakes found, 2 wrong usage, 3 the program has set up no SDK. The "
               "program's own status is reported.",
    )
    arguments.add_json(parser)
    arguments.add_program(parser)
    parser.set_defaults(run=run_doctor, parser=parser)


def run_doctor(options: argparse.Namespace) -> int:
    target = arguments.target(options, "a server: spanheap doctor -m uvicorn app:app")
    path = arguments.json_path(options)
    from spanheap.doctor import report
    from spanheap.doctor.births import Births
    from spanheap.doctor.examination import examine

    program = arguments.loaded(target, "doctor")
    if isinstance(program, int):
        return USAGE
    births = Births()
    births.install()
    outcome = run(*program)
    examination = examine(births=births, thorough=True)
    print("\n" + report.text(examination, outcome), file=sys.stderr)
    if path is not None and not arguments.write(path, report.as_json(examination, target, outcome), "doctor"):
        return USAGE
    if examination.findings:
        return FOUND
    return NOTHING if examination.providers else NO_SDK
