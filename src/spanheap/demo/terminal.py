"""Where the demo writes, and how it writes figures. Control sequences go to terminals only."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

COLUMNS = 100


class Terminal:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.interactive = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._styled = self.interactive and not os.environ.get("NO_COLOR")   # https://no-color.org
        self._refreshed = False

    def print(self, text: str = "") -> None:
        self.keep_line()
        print(text, file=self._stream, flush=True)

    def refresh(self, text: str) -> None:
        """Overwrites the current line: with blanks, so that a carriage return is all it takes."""
        columns = shutil.get_terminal_size().columns - 1   # a full line would wrap
        print(f"\r{text[:columns]:<{columns}}", end="", file=self._stream, flush=True)
        self._refreshed = True

    def keep_line(self) -> None:
        """Ends a refreshed line, so that what follows starts a new one."""
        if self._refreshed:
            print(file=self._stream, flush=True)
            self._refreshed = False

    def heading(self, text: str) -> None:
        self.print(self.bold(text))

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._styled else text


def quantity(value: float) -> str:
    """Bytes in the largest unit that leaves a figure before the point."""
    if abs(value) < 1024:
        return f"{value:,.0f} B"
    for unit in ("KiB", "MiB"):
        value /= 1024
        if abs(value) < 1024:
            return f"{value:,.1f} {unit}"
    return f"{value / 1024:,.1f} GiB"
