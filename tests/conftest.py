"""What a test may ask for: a command of the machine, the length of a long check, a run without sanitizers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

CPYTHON_SUITES = (
    "test_context,test_gc,test_list,test_dict,test_threading,test_generators,test_coroutines,"
    "test_asyncio,test_descr,test_weakref,test_concurrent_futures,test_fork1,test_subprocess"
)

_missing_commands = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the lengths of the long checks: the whole by default, slices in CI."""
    group = parser.getgroup("spanheap", "long checks (-m long)")
    group.addoption("--stress-seconds", type=float, default=600.0, help="of the stress run (default 600)")
    group.addoption("--truth-seeds", type=int, default=200, help="of the truth test (default 200)")
    group.addoption("--mutants", type=int, default=None, help="build so many of the mutants (default all)")
    group.addoption("--detector-seeds", type=int, default=60, help="of each simulated service (default 60)")
    group.addoption("--stall-seconds", type=float, default=60.0, help="of the exporter behind the throttle (default 60)")
    group.addoption("--kill-rounds", type=int, default=500, help="of a service that records (default 500)")
    group.addoption("--dump-kills", type=int, default=200, help="of a service that dumps (default 200)")
    group.addoption("--dump-runs", type=int, default=20, help="of a process at its memory limit (default 20)")
    group.addoption("--fuzz-seconds", type=float, default=600.0, help="of the reader of recordings (default 600)")
    group.addoption("--programs", type=int, default=1000, help="random ones, against the oracle (default 1000)")
    group.addoption("--example-seconds", type=float, default=60.0, help="of load on each of the examples (default 60)")
    group.addoption("--alert-seconds", type=float, default=300.0, help="that the alert rule waits (default 300, as shipped)")
    group.addoption("--cpython-suites", default=CPYTHON_SUITES, help="CPython's tests to run while profiled")


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Dumps that a session writes by default, in this process or a child, go where pytest cleans up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def stress_seconds(pytestconfig: pytest.Config) -> float:
    """Return how long a stress run lasts."""
    return float(pytestconfig.getoption("--stress-seconds"))


@pytest.fixture(scope="session")
def stall_seconds(pytestconfig: pytest.Config) -> float:
    """Return for how long an exporter stalls."""
    return float(pytestconfig.getoption("--stall-seconds"))


@pytest.fixture(scope="session")
def kill_rounds(pytestconfig: pytest.Config) -> int:
    """Return how often a recording service is killed."""
    return int(pytestconfig.getoption("--kill-rounds"))


@pytest.fixture(scope="session")
def dump_kills(pytestconfig: pytest.Config) -> int:
    """Return how often a dumping service is killed."""
    return int(pytestconfig.getoption("--dump-kills"))


@pytest.fixture(scope="session")
def dump_runs(pytestconfig: pytest.Config) -> int:
    """Return how often a process is brought to its memory limit."""
    return int(pytestconfig.getoption("--dump-runs"))


@pytest.fixture(scope="session")
def example_seconds(pytestconfig: pytest.Config) -> float:
    """Return for how long an example is under load."""
    return float(pytestconfig.getoption("--example-seconds"))


@pytest.fixture(scope="session")
def alert_seconds(pytestconfig: pytest.Config) -> float:
    """Return for how long the time-to-limit alert is pending."""
    return float(pytestconfig.getoption("--alert-seconds"))


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> int:
    """Return how many random programs are run."""
    return int(pytestconfig.getoption("--programs"))


@pytest.fixture(scope="session")
def fuzz_seconds(pytestconfig: pytest.Config) -> float:
    """Return how long the fuzzer runs."""
    return float(pytestconfig.getoption("--fuzz-seconds"))


@pytest.fixture(scope="session")
def truth_seeds(pytestconfig: pytest.Config) -> int:
    """Return over how many seeds the truth test averages."""
    return int(pytestconfig.getoption("--truth-seeds"))


@pytest.fixture(scope="session")
def detector_seeds(pytestconfig: pytest.Config) -> int:
    """Return how many seeds of each simulated service the detector is shown."""
    return int(pytestconfig.getoption("--detector-seeds"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each of CPython's suites and of each mutant, so that a report names the one that failed."""
    if "cpython_suite" in metafunc.fixturenames:
        metafunc.parametrize("cpython_suite", metafunc.config.getoption("--cpython-suites").split(","))
    if "built_mutant" in metafunc.fixturenames:
        from tests.mutants.catalogue import MUTANTS

        metafunc.parametrize("built_mutant", [mutant.name for mutant in MUTANTS][: metafunc.config.getoption("--mutants")])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine or this build cannot show."""
    for marker in item.iter_markers("needs"):
        command, package = marker.args
        if shutil.which(command) is None:
            missing = item.config.stash.setdefault(_missing_commands, {})
            hint = f"{command} (Debian and Ubuntu: apt-get install {package})"
            missing[hint] = missing.get(hint, 0) + 1
            pytest.skip(f"needs {hint}")
    for marker in item.iter_markers("no_sanitizer"):
        if _under_asan():
            pytest.skip(f"under AddressSanitizer: {marker.kwargs['reason']}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was not tested for want of a command: a skip must not pass for a test."""
    missing = terminalreporter.config.stash.get(_missing_commands, {})
    if missing:
        terminalreporter.section("NOT TESTED HERE", yellow=True, bold=True)
        for hint, tests in missing.items():
            terminalreporter.line(f"{tests} test(s) need {hint}", yellow=True)


def _under_asan() -> bool:
    return "libasan" in Path("/proc/self/maps").read_text()
