"""CPython's own tests with every allocation sampled: do they end as they do without?

    python -m tests.cpython_suites [--python EXE] [--tests test_context,test_gc]

Runs `python -m test` of an interpreter that has spanheap installed, twice a test module: plain, and with a
sitecustomize that starts spanheap in the process and in all its children. Compares the outcome of every single test.
Children run with -E or -I do not read PYTHONPATH and stay plain; subinterpreters cannot load the extension.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

TESTS = (
    "test_context,test_gc,test_list,test_dict,test_threading,test_generators,test_coroutines,"
    "test_asyncio,test_descr,test_weakref,test_concurrent_futures,test_fork1,test_subprocess"
)
TIMEOUT_S = 1800.0

# Each process appends its number of samples, and whether the tables are valid, when it ends. A later-registered
# exit function runs earlier: while the session is still there.
SITECUSTOMIZE = """\
import atexit
import os


def _report(session, valid, path=os.environ["SPANHEAP_SUITES_REPORT"]):
    stats = session.stats()
    faults = stats.tick_errors + stats.processor_errors + stats.samples_dropped + (not valid())
    with open(path, "a", encoding="utf-8") as file:   # test_subprocess counts the warnings of its children
        file.write(f"{stats.samples} {faults}\\n")


def _start():
    try:
        import spanheap
    except ModuleNotFoundError:   # a child that was started as another interpreter than this environment's
        return
    session = spanheap.start(sample_interval=1, max_samples=4_000_000, adaptive=False)
    atexit.register(_report, session, spanheap._core.valid)


try:
    _start()
except Exception as error:
    if type(error).__name__ != "UnsupportedInterpreter":   # a subinterpreter
        raise
"""


@dataclass
class Outcome:
    """How one run of a test module ended."""

    exit_status: int
    results: dict[str, str] = field(default_factory=dict)   # test -> passed, skipped, failed
    output: str = ""
    samples: int = 0
    faults: int = 0

    @property
    def failed(self) -> set[str]:
        """Names of the tests that did not pass."""
        return {name for name, result in self.results.items() if result == "failed"}

    def summary(self) -> str:
        """One cell of the table."""
        ended = f"exit {self.exit_status}" if self.exit_status >= 0 else f"signal {-self.exit_status}"
        return f"{len(self.results)} run, {len(self.failed)} failed, {ended}"


def results_of(report: Path) -> dict[str, str]:
    """Read the outcome of each test from a JUnit report; a test that ran n times counts n times."""
    if not report.exists():
        return {}
    results: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = base = case.attrib["name"]
        tags = {child.tag for child in case}
        repeat = 1
        while name in results:
            repeat += 1
            name = f"{base} #{repeat}"
        results[name] = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
    return results


def run(python: str, test: str, *, profiled: bool) -> Outcome:
    """Run one of CPython's test modules in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples, junit = folder / "samples", folder / "junit.xml"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {
            "PYTHONHASHSEED": "0", "SPANHEAP_SUITES_REPORT": str(samples),
        }
        if profiled:
            (folder / "site").mkdir()
            (folder / "site" / "sitecustomize.py").write_text(SITECUSTOMIZE)
            environment["PYTHONPATH"] = str(folder / "site")
        (folder / "work").mkdir()
        command = [python, "-m", "test", "--junit-xml", str(junit), test]
        try:
            done = subprocess.run(
                command, cwd=folder / "work", env=environment, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            )
        except subprocess.TimeoutExpired as error:
            output = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
            return Outcome(124, output=f"{output}\nnot done after {TIMEOUT_S:.0f} s")
        outcome = Outcome(done.returncode, results_of(junit), done.stdout)
        if samples.exists():
            for line in samples.read_text().splitlines():
                taken, faults = map(int, line.split())
                outcome.samples += taken
                outcome.faults += faults
        return outcome


def differences(plain: Outcome, profiled: Outcome) -> list[str]:
    """What is not the same, in words."""
    found = []
    if plain.exit_status != profiled.exit_status:
        found.append(f"exit status {plain.exit_status} -> {profiled.exit_status}")
    for name in sorted(plain.results.keys() | profiled.results.keys()):
        before, after = plain.results.get(name, "absent"), profiled.results.get(name, "absent")
        if before != after:
            found.append(f"{name}: {before} -> {after}")
    if not profiled.samples:
        found.append("nothing was sampled: spanheap was not on")
    if profiled.faults:
        found.append(f"{profiled.faults} faults counted inside spanheap")
    return found


def compare(python: str, tests: list[str]) -> list[str]:
    """Run these test modules without and with spanheap, print the table, return the differences."""
    found: list[str] = []
    for test in tests:
        if not has_test(python, test):
            print(f"{test:23} NOT TESTED: this installation of CPython does not have it", flush=True)
            continue
        plain, profiled = run(python, test, profiled=False), run(python, test, profiled=True)
        assert plain.results, f"no test of {test} ran without spanheap:\n{plain.output}"
        new = differences(plain, profiled)
        verdict = "DIFFERENT" if new else "same"
        print(f"{test:23} {plain.summary():>28} | {profiled.summary():>28} | {profiled.samples:>11,} samples  {verdict}",
              flush=True)
        if new:
            print("".join(f"    {line}\n" for line in new), end="")
            print("".join(f"    | {line}\n" for line in profiled.output.splitlines()[-40:]), end="", flush=True)
        found += [f"{test}: {line}" for line in new]
    return found


def has_test(python: str, test: str) -> bool:
    """Whether this interpreter's installation has this test module or package: distributions leave some out."""
    check = f"import importlib.util as u; raise SystemExit(u.find_spec('test.{test}') is None)"
    return subprocess.run([python, "-c", check], check=False, cwd=tempfile.gettempdir()).returncode == 0


def missing(python: str) -> str | None:
    """Why this interpreter cannot be asked, if it cannot."""
    check = "import importlib.util as u, spanheap; raise SystemExit(0 if u.find_spec('test.libregrtest') else 7)"
    done = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False, cwd=tempfile.gettempdir())
    if done.returncode == 7:
        return f"{python} has no package 'test' (Debian and Ubuntu: libpython3-testsuite)"
    return f"{python} cannot import spanheap: {done.stderr.strip()[-300:]}" if done.returncode else None


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.cpython_suites", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter with spanheap installed (this one)")
    parser.add_argument("--tests", default=TESTS, help=f"comma-separated (default {TESTS})")
    arguments = parser.parse_args()
    problem = missing(arguments.python)
    if problem:
        print(f"NOT TESTED: {problem}")
        return 0 if "has no package" in problem else 1
    version = subprocess.run([arguments.python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}: {'':8} {'without':>28} | {'with spanheap':>28}")
    found = compare(arguments.python, arguments.tests.split(","))
    print(f"{version}: {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
