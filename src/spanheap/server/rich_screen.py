"""`spanheap top` by rich, the extra [cli]. Importing this raises ImportError where it is not installed."""

from __future__ import annotations

import os
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from spanheap.server.screen import Line


class RichScreen:
    """A context manager: the alternate screen, with colours where the terminal has them (and not with NO_COLOR)."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def __enter__(self) -> RichScreen:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, shown: list[Line], window: os.terminal_size) -> None:
        self._console.size = window
        texts = [Text(line.text, style=line.style, no_wrap=True, overflow="crop") for line in shown]
        self._live.update(Group(*texts), refresh=True)
