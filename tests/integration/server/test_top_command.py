"""`spanheap top`: once, and live in a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

import spanheap
from spanheap import cli

pytestmark = pytest.mark.once(reason="a matter of the command line, not of the CPython")


def top(*arguments: object) -> int:
    """Run the command in this process."""
    return cli.main(["top", *map(str, arguments)])


@pytest.mark.parametrize("by", ["pid", "url", "nothing"])
def test_without_a_terminal_it_prints_one_look(
    by: str, session: spanheap.Session, leak: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the process that was named, or of the only one there is."""
    target: tuple[object, ...] = {"pid": (os.getpid(),), "url": (session.debug_url,), "nothing": ()}[by]
    assert top(*target) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and f"pid {os.getpid()}" in shown.out and "\x1b" not in shown.out
    assert re.search(r"\d+\.\d MiB +\d+% +- +GET /leak +.*conftest\.py:\d+\)", shown.out)


def test_json_is_the_whole_look(session: spanheap.Session, leak: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    assert top("--json") == 0
    look = json.loads(capsys.readouterr().out)
    assert look["format"] == "spanheap.top/1" and look["lines"][0]["root_name"] == "GET /leak"


def test_a_reader_that_has_seen_enough_is_no_error(session: spanheap.Session, url: str) -> None:
    """`spanheap top | head -1`."""
    command = [sys.executable, "-m", "spanheap", "top", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == 0 and process.stderr.read() == b""


def test_which_process_is_asked_about_when_there_are_several(
    session: spanheap.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are listed; and when there is none, how to start one is said."""
    other = subprocess.Popen([sys.executable, "-c", """if True:
        import sys, spanheap
        session = spanheap.start(debug_server="127.0.0.1:0")
        print(session.debug_url, flush=True)
        sys.stdin.read()
    """], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        url = other.stdout.readline().strip()
        assert top() == 1
        error = capsys.readouterr().err
        assert "2 processes have a debug server: say which one" in error
        assert str(session.debug_url) in error and f"{other.pid}  -c  {url}" in error
        assert top(other.pid) == 0 and f"pid {other.pid}" in capsys.readouterr().out
    finally:
        other.communicate(timeout=60)
    session.shutdown()
    assert top() == 1
    assert ('no process of this user has a debug server: start one with OTEL_PYTHON_SPANHEAP_DEBUG_SERVER=127.0.0.1:6060, '
            'or in code spanheap.start(debug_server="127.0.0.1:6060")') in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (("http://127.0.0.1:1",), 1, "spanheap top: error: http://127.0.0.1:1: connection refused"),
    (("999999999",), 1, "spanheap top: error: there is no process 999999999"),
    (("shop",), 2, "'shop' is neither the number of a process"),
    (("--interval", "0.1"), 2, "'0.1' is not a number of seconds from 0.2 to 3600"),
    (("--interval", "nan"), 2, "'nan' is not a number of seconds"),
    (("--all",), 2, "unrecognized arguments: --all"),
])
def test_what_cannot_be_is_named(
    arguments: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 1 or 2."""
    try:
        ended = top(*arguments)
    except SystemExit as error:
        assert isinstance(error.code, int)
        ended = error.code
    assert ended == code and says in capsys.readouterr().err


def test_a_server_of_another_version_is_named(session: spanheap.Session, monkeypatch: pytest.MonkeyPatch,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    """What it tells cannot be shown."""
    monkeypatch.setattr("spanheap.server.views.top", lambda session, n: {"format": "spanheap.top/9"})
    assert top(os.getpid()) == 1
    assert "it tells 'spanheap.top/9', not 'spanheap.top/1': use the same version" in capsys.readouterr().err


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, url: str, *, without_rich: bool) -> None:
        code = "import sys; from spanheap.cli import main; sys.exit(main())"
        if without_rich:
            code = "import sys; sys.modules['rich'] = None; " + code
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", PYTHONWARNINGS="error")
            signal.signal(signal.SIGINT, signal.SIG_DFL)   # ignored where the tests run in the background of a shell
            os.execv(sys.executable, [sys.executable, "-c", code, "top", url, "--interval", "0.3"])
        self.resize(100, 30)
        self.seen = ""

    def resize(self, columns: int, rows: int) -> None:
        """As a window does; the kernel tells the process."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern: str) -> str:
        """Read until it was shown; forgets what came before."""
        end = time.monotonic() + 60
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < end, self.seen
            if select.select([self.fd], [], [], 1)[0]:
                self.seen += os.read(self.fd, 65536).decode("utf-8", "replace")
        text, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return text

    def send(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.fd, keys)

    def ended(self) -> int:
        """Its exit code; reads what it has still to say."""
        end = time.monotonic() + 60
        while True:
            assert time.monotonic() < end, self.seen
            if not select.select([self.fd], [], [], 1)[0]:
                continue
            try:
                part = os.read(self.fd, 65536)
            except OSError:   # the other end is closed
                break
            if not part:
                break
            self.seen += part.decode("utf-8", "replace")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture(params=["rich", "plain"])
def terminal(request: pytest.FixtureRequest, url: str) -> Iterator[Terminal]:
    """`spanheap top URL` in a terminal, with rich and without."""
    if request.param == "rich":
        pytest.importorskip("rich", reason="an extra: pip install spanheap[cli]")
    made = Terminal(url, without_rich=request.param == "plain")
    yield made
    try:
        os.kill(made.pid, signal.SIGKILL)   # a test that failed left it
        os.waitpid(made.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def test_it_is_live_resizes_and_ends_with_q(terminal: Terminal, session: spanheap.Session, leak: list[bytes]) -> None:
    """Growth appears, a server that has gone is told without ending, and the terminal is given back."""
    first = terminal.until(r"GET /leak")
    assert "\x1b[?1049h" in first
    leak.extend(bytes(300_000) for _ in range(100))
    terminal.until(r"\(\+[\d.]+ MiB/min\)")
    terminal.resize(60, 8)
    terminal.until(r"resident[^\r\n]*…")   # cut
    terminal.until(r"\x1b\[H")
    frame = terminal.until(r"growth over")
    rows = re.split(r"\r*\n", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", frame))
    assert max(len(row) for row in rows) <= 60 and len(rows) <= 8
    session.shutdown()
    terminal.until(r"connection refused")
    terminal.send(b"q")
    assert terminal.ended() == 0
    assert "\x1b[?1049l" in terminal.seen and "\x1b[?25h" in terminal.seen and "Traceback" not in terminal.seen


def test_ctrl_c_ends_it(terminal: Terminal) -> None:
    """Without a word about it."""
    terminal.until(r"growth over")
    terminal.send(b"\x03")
    assert terminal.ended() == 0 and "Traceback" not in terminal.seen and "interrupted" not in terminal.seen
