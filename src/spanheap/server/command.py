"""`spanheap top` and `spanheap dump`: their options. What does the work is imported when one of them runs.

Exit status: 0 done; 1 the process cannot be asked, and why; 2 wrong usage.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIMEOUT_S = 30.0
_TARGET = "a process of this machine, http://HOST:PORT or unix:PATH"


def add_parsers(commands: Any) -> None:
    top = commands.add_parser(
        "top", help="watch the memory of a running process by line and endpoint",
        description="Shows memory, growth, the lines and endpoints with most live bytes, leaks and active spans "
                    "of a process that runs a debug server (spanheap.start(debug_server=…)), again and again until q or "
                    "Ctrl-C. Where the output is no terminal: once, as plain text.")
    top.add_argument("target", nargs="?", metavar="PID|URL", help=f"{_TARGET} (default: the only one there is)")
    top.add_argument("--once", action="store_true", help="print one look and end")
    top.add_argument("--json", action="store_true", help="print one look as JSON and end")
    top.add_argument("--interval", type=_seconds(0.2), default=2.0, metavar="S",   # a look costs the service milliseconds
                     help="seconds between looks (default: 2)")
    top.set_defaults(run=_top, parser=top)

    dump = commands.add_parser(
        "dump", help="have a running process write a heap dump",
        description="Asks the debug server of a process (spanheap.start(debug_server=…)) for an annotated pprof dump. "
                    "Without -o the process writes it where its dumps go, and its path is printed. A process whose server "
                    "does not answer is asked by the signal of its DumpPolicy, if it has one.")
    dump.add_argument("target", metavar="PID|URL", help=_TARGET)
    dump.add_argument("-o", "--output", type=Path, metavar="FILE", help="fetch it, and write it to FILE")
    dump.add_argument("--timeout", type=_seconds(0.1), default=TIMEOUT_S, metavar="S",
                      help=f"seconds to wait for an answer (default: {TIMEOUT_S:.0f})")
    dump.add_argument("--json", action="store_true", help="print path and size as JSON")
    dump.set_defaults(run=_dump, parser=dump)


def _seconds(least: float) -> Callable[[str], float]:
    def seconds(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not least <= value <= 3600:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from {least:g} to 3600")
        return value

    return seconds


def _top(options: argparse.Namespace) -> int:
    from spanheap.server.top_command import run

    return run(options)


def _dump(options: argparse.Namespace) -> int:
    from spanheap.server.dump_command import run

    return run(options)
