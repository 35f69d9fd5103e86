"""`spanheap top`: a live view of a running process, through its debug server.

Exit status: 0 ended by the user, or one look printed; 1 the process cannot be asked; 2 wrong usage; 130 Ctrl-C before the
first look.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Protocol

from spanheap.server.client import Target, TargetError, UsageError
from spanheap.server.look import History, Look, NoLook
from spanheap.server.screen import Line, lines

_TIMEOUT_S = 10.0
_STEP_S = 0.2          # between looks at the keyboard and the size of the window
_PLAIN_WIDTH = 160     # where there is no terminal
_PLAIN_HEIGHT = 60
_ROWS = 100


def run(options: argparse.Namespace) -> int:
    try:
        target = Target(options.target, timeout=_TIMEOUT_S)
        look = _look(target)
    except UsageError as error:
        options.parser.error(str(error))
    except TargetError as error:
        print(f"spanheap top: error: {error}", file=sys.stderr)
        return 1
    history = History()
    history.add(look)
    if options.json:
        return _print(json.dumps(look.document, indent=1))
    if options.once or not sys.stdout.isatty():
        width = _window().columns if sys.stdout.isatty() else _PLAIN_WIDTH
        return _print("\n".join(line.text for line in lines(look, history, width, _PLAIN_HEIGHT)))
    with contextlib.suppress(KeyboardInterrupt), _keys() as keys, _screen() as screen:
        _watch(target, look, history, options.interval, keys, screen)
    return 0


def _print(text: str) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:   # `| head` has seen enough; nor may the interpreter's end write to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _look(target: Target) -> Look:
    try:
        return Look.of(target.client.get_json(f"/debug/top?n={_ROWS}"))
    except NoLook as error:
        raise TargetError(f"{target.client.url}: {error}") from None


def _watch(target: Target, look: Look, history: History, seconds: float, keys: Keys, screen: Screen) -> None:
    status = ""
    while True:
        shown: os.terminal_size | None = None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            window = _window()
            if window != shown:
                hint = status or f"every {seconds:g} s, growth over {history.seconds:.0f} s; q ends"
                screen.show(lines(look, history, window.columns, window.lines - 1, status=hint), window)
                shown = window
            if keys.quit_within(min(_STEP_S, max(0.0, end - time.monotonic()))):
                return
        try:
            look, status = _look(target), ""
            history.add(look)
        except TargetError as error:   # it may be back: what was seen last stays
            status = f"{time.strftime('%H:%M:%S')} {error}"


# ---------------------------------------------------------------- terminal


def _window() -> os.terminal_size:
    """As it is now: COLUMNS and LINES of the environment do not change with it."""
    with contextlib.suppress(OSError, ValueError):
        found = os.get_terminal_size(sys.stdout.fileno())
        if found.columns > 0 and found.lines > 0:
            return found
    return shutil.get_terminal_size()


class Keys(Protocol):
    def quit_within(self, seconds: float) -> bool:
        """Whether q was pressed within so many seconds."""


class Screen(Protocol):
    def show(self, shown: list[Line], window: os.terminal_size) -> None:
        """Instead of what is there."""


class _Keyboard:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def quit_within(self, seconds: float) -> bool:
        if select.select([self._fd], [], [], seconds)[0]:
            pressed = os.read(self._fd, 64)
            return pressed in (b"", b"\x04") or b"q" in pressed or b"Q" in pressed   # "": the terminal is gone
        return False


class _NoKeyboard:
    def quit_within(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False


@contextlib.contextmanager
def _keys() -> Iterator[Keys]:
    """Single keys, where the input is a terminal, which is given back as it was."""
    if not sys.stdin.isatty():
        yield _NoKeyboard()
        return
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield _Keyboard(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _screen() -> Iterator[Screen]:
    """By rich where it is installed, else with the few control sequences that every terminal knows."""
    try:
        from spanheap.server.rich_screen import RichScreen
    except ImportError:
        plain = _PlainScreen()
        try:
            yield plain
        finally:
            plain.close()
        return
    with RichScreen() as screen:
        yield screen


class _PlainScreen:
    """The alternate screen, so that what was there before comes back."""

    def __init__(self) -> None:
        self._obeys = os.environ.get("TERM", "dumb") != "dumb"
        self._write("\x1b[?1049h\x1b[?25l")

    def show(self, shown: list[Line], window: os.terminal_size) -> None:
        text = "\n".join(line.text for line in shown)
        if self._obeys:
            self._write("\x1b[H" + text.replace("\n", "\x1b[K\n") + "\x1b[K\x1b[J")
        else:
            print(text, flush=True)

    def close(self) -> None:
        self._write("\x1b[?25h\x1b[?1049l")

    def _write(self, text: str) -> None:
        if self._obeys:
            sys.stdout.write(text)
            sys.stdout.flush()
