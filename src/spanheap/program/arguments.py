"""What the commands that run a program have in common on their command line: the program, and a file for findings."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Container, Sequence
from types import CodeType, ModuleType

from spanheap.program.execution import Target, TargetError, load


def add_program(parser: argparse.ArgumentParser) -> None:
    """To be read from what `split` returns."""
    parser.add_argument("-m", dest="module", metavar="MODULE", help="the module to run, then its arguments")
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="the script to run, then its arguments")
    parser.set_defaults(arguments=())


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write the findings to FILE")


def split(arguments: Sequence[str], with_value: Container[str]) -> tuple[list[str], tuple[str, ...]]:
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


def target(options: argparse.Namespace, example: str) -> Target:
    """The program that was named; ends the process where none was. example: how a module is given."""
    if (options.module is None) == (options.script is None):
        options.parser.error(f"give a script, or a module with -m ({example})")
    return Target(options.module or options.script, options.module is not None, tuple(options.arguments))


def json_path(options: argparse.Namespace) -> pathlib.Path | None:
    """Whole, since the program may go to another folder. Ends the process where there is no such folder."""
    path = options.json.absolute() if options.json is not None else None
    if path is not None and not path.parent.is_dir():
        options.parser.error(f"--json {options.json}: there is no folder {path.parent}")
    return path


def loaded(program: Target, command: str) -> tuple[CodeType, ModuleType] | int:
    """The program, ready to run; or the status that python would have had: why was said."""
    try:
        return load(program)
    except TargetError as error:
        print(f"spanheap {command}: error: {error}", file=sys.stderr)
        return 2
    except SyntaxError as error:
        sys.excepthook(SyntaxError, error.with_traceback(None), None)
        return 1


def write(path: pathlib.Path, text: str, command: str) -> bool:
    """Says why where it cannot be written."""
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        print(f"spanheap {command}: error: cannot write {path}: {error.strerror}", file=sys.stderr)
        return False
    return True
