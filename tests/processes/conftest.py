"""What these tests share: scripts in processes of their own, which have children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from tests.processes.background import ROOT, TIMEOUT

Script = Callable[[str], None]


@pytest.fixture
def script() -> Script:
    """Runs code in a process of its own, with `children` imported. What fails, hangs or leaves a child fails the test."""

    def run(code: str) -> None:
        with subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore::DeprecationWarning", "-c",
             "from tests.processes.children import *\n" + textwrap.dedent(code)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=TIMEOUT)   # until the last child has closed its output
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert process.returncode == 0, output

    return run
