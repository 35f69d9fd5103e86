"""What the tests of the bug classes share: the C extensions that are their victims, and processes to break."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

Script = Callable[..., str]

# Far more than any of these scripts takes; then a deadlock prints all stacks and ends. tests/mutants, which makes
# deadlocks on purpose, waits less.
HANG_S = int(os.environ.get("SPANHEAP_TEST_HANG_S", "90"))

# What most scripts need: blocks of a size that nothing else has, a forked child, and an end to every deadlock.
PRELUDE = f"""
import faulthandler, gc, os, signal, sys, threading, time, traceback, weakref
import spanheap
faulthandler.dump_traceback_later({HANG_S}, exit=True)

def start(**options):
    return spanheap.start(**dict(sample_interval=1, max_samples=30_000, adaptive=False, tick=None, seed=1) | options)

def rows(size):
    return [row for row in spanheap.current().snapshot().rows if row.size == size and row.samples]

def check_in_child(body):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if body() else 2
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    end = time.monotonic() + {HANG_S // 2}
    while (waited := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:   # it may hang in a fork handler, where it cannot look after itself
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    assert waited[1] == 0, f"the child ended with wait status {{waited[1]}}"
"""


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the compiled extensions of victims/."""
    folder = tmp_path_factory.mktemp("victims")
    include = sysconfig.get_path("include")
    if not (Path(include) / "Python.h").exists():
        pytest.skip(f"needs Python.h, which is not in {include} (Debian and Ubuntu: apt-get install python3-dev)")
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler (Debian and Ubuntu: apt-get install gcc)")
    # A preloaded sanitizer is for the interpreter, not for the compiler.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    builds = [(source, source.stem, []) for source in sorted((Path(__file__).parent / "victims").glob("*.c"))]
    # One that has its table read-only from the start, and one whose calls are resolved when they are first made.
    library = next(build for build in builds if build[1] == "array_library")
    builds.remove(library)
    runpath = "-Wl,--enable-new-dtags,-rpath,$ORIGIN"
    builds.append((library[0], "array_library_now", ["-Wl,-z,relro,-z,now", runpath, "-DNAME=array_library_now"]))
    builds.append((library[0], "array_library_lazy", ["-Wl,-z,lazy", runpath, "-DNAME=array_library_lazy"]))
    for source, name, options in builds:
        target = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        done = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-g", "-pthread", f"-I{include}", *options, str(source),
             "-o", str(target)],
            env=environment, capture_output=True, text=True, check=False,
        )
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def script(victims: Path) -> Script:
    """Runs code in a process of its own; returns what it printed. A crash, a deadlock or an exception fails the test."""

    def run(code: str, **environment: str) -> str:
        path = os.pathsep.join(filter(None, [str(victims), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore::DeprecationWarning", "-c",
             PRELUDE + textwrap.dedent(code)],
            env={**os.environ, "PYTHONPATH": path, **environment}, capture_output=True, text=True, timeout=2 * HANG_S,
            check=False,
        )
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    return run
