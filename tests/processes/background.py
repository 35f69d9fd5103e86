"""A process beside the test: started, waited for, stopped with all it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[2]
TIMEOUT = 60.0   # of whatever is waited for: imports on a busy machine take seconds
GRACE = 15.0     # to end by itself after SIGTERM

_T = TypeVar("_T")


class Background:
    """`python -m <arguments>` in a process group of its own. Leave the `with` block to stop all of the group."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, *, pass_fds: Sequence[int] = (),
        program: Sequence[str] = (sys.executable, "-X", "faulthandler", "-m"), **environment: str
    ) -> None:
        self._log = folder.joinpath("log").open("w+")   # a file: nobody has to read a pipe that fills
        inherited = filter(None, [os.environ.get("PYTHONPATH")])
        self._process = subprocess.Popen(
            [*program, *arguments], cwd=ROOT, pass_fds=pass_fds,
            # HOME: what servers keep there belongs to this test.
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *inherited]), "HOME": str(folder)} | environment,
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
        )

    def __enter__(self) -> Background:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._kill_group()
            self._process.wait()
            assert kind is not None, f"still there {GRACE:.0f} s after SIGTERM:\n{self.log()}"
        finally:
            self._kill_group()   # children that outlived it
            self._log.close()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> int:
        """SIGTERM to the process itself, and its status; fails when it takes too long. For who wants to see the end."""
        self._process.terminate()
        return self._process.wait(GRACE)

    def wait_for(self, what: str, probe: Callable[[], _T | None]) -> _T:
        """Ask again and again until there is an answer; fails when the process is gone, or after a minute."""
        deadline = time.monotonic() + TIMEOUT
        while (answer := probe()) is None:
            assert self._process.poll() is None, f"ended with {self._process.returncode} before {what}:\n{self.log()}"
            assert time.monotonic() < deadline, f"not {what} within {TIMEOUT:.0f} s:\n{self.log()}"
            time.sleep(0.05)
        return answer

    def log(self) -> str:
        """What the process and its children printed."""
        self._log.seek(0)
        return self._log.read()
