"""`spanheap run`: runs a program as `python` does, with a session, and says in one line what was found.

Exit status and signals: the program's own, as without spanheap. 2: wrong usage, or no program that can run.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spanheap.errors import SpanheapError
from spanheap.instrumentation import environment
from spanheap.instrumentation.variable import VARIABLES, Variable
from spanheap.program import arguments as program_arguments
from spanheap.program.execution import Outcome, run

if TYPE_CHECKING:
    from spanheap.session import Session

USAGE = 2
_DUMP = "--final-dump"
_VERDICTS = 3   # in the line


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run", usage=f"spanheap run [OPTIONS] [{_DUMP} PATH] [--] (-m MODULE | SCRIPT) ...", allow_abbrev=False,
        help="run a program as python does, and say what it keeps",
        description="Runs a script or a module as python does, profiled from its first line on, and prints one line in the "
                    "end: what was found, and where the dump is. Options of spanheap.start() are flags; what is not given "
                    "comes from the environment (OTEL_PYTHON_SPANHEAP_*); docs/configuration.md.",
        epilog="exit status: the program's own; 2 for wrong usage, or no program that can run.",
    )
    parser.add_argument(_DUMP, metavar="PATH", default="",
                        help="a file or a folder for the dump of the end; none: no dump (default: the folder of dumps)")
    options = parser.add_argument_group("options of spanheap.start()")
    for variable in VARIABLES:
        options.add_argument(
            variable.flag, dest=variable.name, type=_type(variable), metavar="VALUE", default=argparse.SUPPRESS,
            help=f"{variable.accepts} (default: {variable.default_text})")
    program_arguments.add_program(parser)
    parser.set_defaults(run=run_run, parser=parser)


def split(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Ours, up to the program's name, and the program's."""
    return program_arguments.split(arguments, (_DUMP, *(variable.flag for variable in VARIABLES)))


def _type(variable: Variable) -> Callable[[str], object]:
    def parse(text: str) -> object:
        try:
            return variable.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _options(arguments: argparse.Namespace) -> dict[str, object]:
    """Those of the command line go before those of the environment, field by field."""
    given = {variable: getattr(arguments, variable.name) for variable in VARIABLES if hasattr(arguments, variable.name)}

    def ignored(variable: Variable, error: Exception) -> None:
        arguments.parser.error(f"argument {variable.flag}: {error}")

    environment.combined(given, ignored)   # that they do not go together is wrong usage; with the environment, a warning
    return environment.options(given=given)


def run_run(arguments: argparse.Namespace) -> int:
    target = program_arguments.target(arguments, "spanheap run -m uvicorn app:app")
    options = _options(arguments)
    dump = arguments.final_dump
    if dump not in ("", "none"):
        dump = os.path.abspath(dump)   # the program may go to another folder
    import spanheap

    program = program_arguments.loaded(target, "run")
    if isinstance(program, int):
        return program
    try:
        session = spanheap.current() or spanheap.start(**options)   # type: ignore[arg-type]
    except Exception as error:   # whatever keeps the profiler from starting keeps no program from running
        print(f"spanheap run: error: {error}; the program runs without", file=sys.stderr)
        return _as_python(run(*program, show_interrupt=True))
    began = time.monotonic()
    outcome = run(*program, show_interrupt=True)
    try:
        print(_summary(session, dump, time.monotonic() - began), file=sys.stderr)
        session._shutdown(outcome.error)
    except Exception as error:   # the program's status is what counts
        print(f"spanheap run: error: {error}", file=sys.stderr)
    return _as_python(outcome)


def _as_python(outcome: Outcome) -> int:
    """The status; where a signal has ended the program it ends this process, too: shells and supervisors see which."""
    if not outcome.signal:
        return outcome.status
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(outcome.signal, signal.SIG_DFL)
    os.kill(os.getpid(), outcome.signal)
    return outcome.status


def _summary(session: Session, path: str, seconds: float) -> str:
    """One line, for people: the verdicts, or that there is none; the dump."""
    if not session._running:   # the program has ended it
        return f"spanheap: the program has shut the session down; {seconds:.0f} s"
    session.force_flush()
    verdicts = session.leaks()
    live = session.snapshot().live_bytes / (1 << 20)
    said = " | ".join(map(str, verdicts[:_VERDICTS])) or "no leak found"
    if len(verdicts) > _VERDICTS:
        said += f" | and {len(verdicts) - _VERDICTS} more"
    return f"spanheap: {said}; {live:,.1f} MiB live after {seconds:.0f} s; {_dumped(session, path)}"


def _dumped(session: Session, path: str) -> str:
    if path == "none":
        dumps = session._profiler.dumps
        last = dumps.outcomes.last_path if dumps is not None else None
        return f"last dump {last}" if last is not None else "no dump"
    try:
        target = pathlib.Path(path) if path else session._profiler.dump_folder()
        return f"dump {session.dump(target, reason='end of spanheap run')}"
    except SpanheapError as error:
        return f"no dump: {error}"
