"""Builds spanheap, mutated or not, into a folder of its own, and runs tests against that."""

from __future__ import annotations

import contextlib
import enum
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutants import plugin
from tests.mutants.mutant import Mutant, Stale

CHECKOUT = Path(__file__).parents[2]
_SOURCES = ("CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE", "native", "src")
_BUILD_TOOLS = ("scikit_build_core", "Cython", "cython_cmake")   # pyproject.toml's build-system.requires, as modules

# What a script, or a test, says of its failure; not pytest's word on the script's exit status.
_ERROR = re.compile(r"^E +(\w+Error\b.*|Fatal Python error.*|Timeout.*|assert (?!-?\d+ == 0).*)$", re.MULTILINE)

_HANG_S = 15     # of a script that a mutant has deadlocked: the longest takes 5 s
_TEST_S = 120    # of a test whose process hangs itself


class Verdict(enum.Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    SKIPPED = "SKIPPED"
    STALE = "STALE"
    DOES_NOT_BUILD = "DOES NOT BUILD"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True)
class Outcome:
    """A verdict, and what there is to read about it: how the tests ended, or why they did not."""

    verdict: Verdict
    details: str


class BuildFailed(Exception):
    """With the build's output."""


@dataclass(frozen=True)
class _Run:
    """How a pytest process ended."""

    status: int | None   # None: it hung
    output: str

    @property
    def failed(self) -> bool:
        """A test failed, or the process crashed or hung in it."""
        return self.status is None or self.status < 0 or self.status == pytest.ExitCode.TESTS_FAILED

    def __str__(self) -> str:
        if self.status is None:
            return f"hung for {_TEST_S} s"
        if self.status < 0:
            return f"died of {signal.Signals(-self.status).name}"
        errors = _ERROR.findall(self.output)
        return errors[-1][:100] if errors else f"exit status {self.status}"


class Workshop:
    """A copy of the source tree that is built again and again, with one mutant in it at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._source = folder / "source"
        self._source.mkdir()
        for name in _SOURCES:
            path = CHECKOUT / name
            if path.is_dir():
                shutil.copytree(path, self._source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, self._source)

    def judge(self, mutant: Mutant) -> Outcome:
        """Build with the mutant, and see each of its tests fail."""
        try:
            target = self._build_mutated(mutant)
        except Stale as error:
            return Outcome(Verdict.STALE, str(error))
        except BuildFailed as error:
            return Outcome(Verdict.DOES_NOT_BUILD, str(error))
        ends = []
        for test in mutant.tests:
            run = self._run(target, [test])
            if run.status == pytest.ExitCode.OK:
                return Outcome(Verdict.SURVIVED, f"{test} passes")
            if run.status == plugin.NOTHING_RUN:
                return Outcome(Verdict.SKIPPED, f"{test} is skipped here\n{run.output}")
            if not run.failed:
                return Outcome(Verdict.UNCLEAR, f"{test}: {run}\n{run.output}")
            ends.append(str(run))
        shutil.rmtree(target)
        return Outcome(Verdict.KILLED, "; ".join(ends))

    def unmutated_failure(self, mutants: Iterable[Mutant]) -> str | None:
        """Run the tests of these mutants against the code as it is; None when they pass, as they must."""
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        run = self._run(self._build("unmutated"), tests, timeout=_TEST_S * len(tests))
        return None if run.status in (pytest.ExitCode.OK, plugin.NOTHING_RUN) else f"{run}\n{run.output}"

    # ------------------------------------------------------------ build

    def _build_mutated(self, mutant: Mutant) -> Path:
        path = self._source / mutant.file
        mutated, original = mutant.mutated(self._source), path.read_text()
        path.write_text(mutated)
        try:
            return self._build(mutant.name)
        finally:
            path.write_text(original)

    def _build(self, name: str) -> Path:
        """One build folder for all: only what changed is compiled again."""
        target = self._folder / "installed" / name
        has_tools = all(importlib.util.find_spec(tool) for tool in _BUILD_TOOLS)
        done = subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                *(["--no-build-isolation"] if has_tools else []),
                f"--config-settings=build-dir={self._folder / 'build'}", "--target", str(target), str(self._source),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        if done.returncode:
            raise BuildFailed(done.stdout[-4000:])
        return target

    # ------------------------------------------------------------ run

    def _run(self, target: Path, tests: list[str], timeout: float = _TEST_S) -> _Run:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH")])),
            "SPANHEAP_TEST_HANG_S": str(_HANG_S),
            plugin.IMPORTED_FROM: str(target),
        }
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", plugin.__name__, "--tb=short", *tests,
        ]
        with tempfile.TemporaryFile("w+", errors="replace") as output:   # no pipe: a hanging child would keep it open
            process = subprocess.Popen(
                command, cwd=CHECKOUT, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
            status = None
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = process.wait(timeout)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)   # its children too
                process.wait()
            output.seek(0)
            return _Run(status, output.read()[-6000:])
