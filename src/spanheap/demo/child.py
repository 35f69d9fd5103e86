"""Child processes that answer one-line commands.

The parent holds the only write end of the child's standard input. End-of-file there ends the child, however
the parent died: even a SIGKILL closes the pipe. Children have a session of their own, so that Ctrl-C reaches
the parent alone, which then closes the pipes in order. A command is a line, an answer a line of JSON.
"""

from __future__ import annotations

import json
import os
import pathlib
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Answer = dict[str, Any]

START_TIMEOUT = 30.0    # imports from a cold disk cache on a busy machine
ANSWER_TIMEOUT = 20.0   # the longest answer is a full collection, a snapshot and a dump
STOP_TIMEOUT = 5.0      # to flush the last spans


class DemoError(Exception):
    """The demo cannot go on; the message says what happened and where to look."""


class Child:
    """A child process: `ask` it, and leave the `with` block to end it."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], log: pathlib.Path) -> None:
        self._name = name
        self._log = log
        self._received = b""
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, bufsize=0,
                start_new_session=True,
            )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_ready(self) -> Answer:
        return self._receive(START_TIMEOUT)

    def ask(self, command: str) -> Answer:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command.encode() + b"\n")
        except BrokenPipeError:
            raise self._died() from None
        return self._receive(ANSWER_TIMEOUT)

    def _receive(self, timeout: float) -> Answer:
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._received:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise DemoError(f"the {self._name} has not answered for {timeout:.0f} s; see {self._log}")
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise self._died()
                self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise DemoError(f"the {self._name} failed: {answer['error']}")
        return answer

    def _died(self) -> DemoError:
        try:
            code = self._process.wait(STOP_TIMEOUT)
            status = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
        except subprocess.TimeoutExpired:
            status = "its pipes closed but still running"
        last_words = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
        return DemoError(f"the {self._name} ended early ({status}): {last_words[0]}; see {self._log}")

    def stop(self) -> None:
        """Ends the child: by end-of-file, or by force when it does not listen."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._process.stdout.close()


class Replies:
    """The child's side. Has standard output to itself, so that a stray print cannot garble an answer."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(self, answer: Answer) -> None:
        print(json.dumps(answer), file=self._out)

    def serve(self, commands: Mapping[str, Callable[[], Answer]]) -> None:
        """Answers commands until the parent closes the pipe."""
        for line in sys.stdin:
            self.send(commands[line.strip()]())
