"""`spanheap doctor`: runs a program in this process, and examines how it has set OpenTelemetry up.

Exit status: 0 nothing found; 1 mistakes found; 2 wrong usage, or no program that can run; 3 the program has set up no SDK.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

from spanheap.audit.program import Target, TargetError, load, run

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
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write the findings to FILE")
    parser.add_argument("-m", dest="module", metavar="MODULE", help="the module to run, then its arguments")
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="the script to run, then its arguments")
    parser.set_defaults(run=run_doctor, parser=parser, arguments=())


def run_doctor(options: argparse.Namespace) -> int:
    if (options.module is None) == (options.script is None):
        options.parser.error("give a script, or a module with -m (a server: spanheap doctor -m uvicorn app:app)")
    target = Target(options.module or options.script, options.module is not None, tuple(options.arguments))
    path = options.json.absolute() if options.json is not None else None   # the program may go to another folder
    if path is not None and not path.parent.is_dir():
        options.parser.error(f"--json {options.json}: there is no folder {path.parent}")
    from spanheap.doctor import report
    from spanheap.doctor.births import Births
    from spanheap.doctor.examination import examine

    try:
        code, module = load(target)
    except TargetError as error:
        print(f"spanheap doctor: error: {error}", file=sys.stderr)
        return USAGE
    except SyntaxError as error:
        sys.excepthook(SyntaxError, error.with_traceback(None), None)
        return USAGE
    births = Births()
    births.install()
    outcome = run(code, module)
    examination = examine(births=births, thorough=True)
    print("\n" + report.text(examination, outcome), file=sys.stderr)
    if path is not None:
        try:
            path.write_text(report.as_json(examination, target, outcome) + "\n", encoding="utf-8")
        except OSError as error:
            print(f"spanheap doctor: error: cannot write {path}: {error.strerror}", file=sys.stderr)
            return USAGE
    if examination.findings:
        return FOUND
    return NOTHING if examination.providers else NO_SDK
