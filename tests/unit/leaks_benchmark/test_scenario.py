"""The contract: what a scenario file may be, and what is said of one that breaks it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.leaks.scenario import InvalidScenario, declared, load, missing_requirements, paths

pytestmark = pytest.mark.once(reason="the contract of scenario files")

GOOD = '''"""A pattern, and where it was seen."""
KIND = "leak"
SPAN = "GET /orders"
SITE = "remember"
HOLDER = None
REQUESTS_PER_SECOND = 5
DURATION_S = 60
def setup(): pass
def request(i, now): pass
def teardown(): pass
'''


@pytest.fixture(autouse=True)
def _clean_imports() -> Iterator[None]:
    """Each file is imported anew, and the folders are taken off the path again."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, text: str, name: str = "some_scenario.py") -> Path:
    """Make a file and return where it is."""
    file = folder / name
    file.write_text(text)
    return file


def test_good_scenario_with_its_defaults(tmp_path: Path) -> None:
    """One endpoint, steady traffic, a default concurrency."""
    scenario = load(write(tmp_path, GOOD))
    assert (scenario.name, scenario.kind, scenario.site, scenario.holder) == ("some_scenario", "leak", "remember", None)
    assert scenario.endpoints == (("GET /orders", 1.0),) and not scenario.has_endpoints
    assert scenario.traffic(7.0) == 1.0 and scenario.concurrency >= 1


def test_helper_beside_the_scenario_can_be_imported(tmp_path: Path) -> None:
    """The folder is on sys.path, and the helper is not a scenario itself."""
    write(tmp_path, "SIZE = 5\n", "_helper_of_test.py")
    file = write(tmp_path, GOOD + "from _helper_of_test import SIZE\n")
    assert paths(tmp_path) == [file.resolve()]
    assert load(file).kind == "leak"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"""A pattern, and where it was seen."""\n', "", "docstring"),
        ('KIND = "leak"\n', "", "does not define KIND: it must be one of 'leak', 'bounded', 'growing_bound_unknown'"),
        ('KIND = "leak"', 'KIND = "leaky"', "has KIND = 'leaky'"),
        ('"GET /orders"', "None", "has SPAN = None: it must be a text"),
        ('SITE = "remember"\n', "", "does not define SITE: it must be a text or None"),
        ('SITE = "remember"', "SITE = None", "neither SITE nor HOLDER"),
        ("= 5\n", "= 0\n", "has REQUESTS_PER_SECOND = 0: it must be a number above 0"),
        ("= 60\n", "= '1 h'\n", "has DURATION_S = '1 h'"),
        ("def setup(): pass\n", "", "does not define setup: it must be a function"),
        ("def request(i, now): pass\n", "request = 3\n", "has request = 3: it must be a function"),
        ("DURATION_S", "CONCURRENCY = 0\nDURATION_S", "has CONCURRENCY = 0: it must be a whole number of at least 1"),
        ("DURATION_S", "traffic = 2\nDURATION_S", "has traffic = 2"),
        ("DURATION_S", "ENDPOINTS = [('GET /', 1)]\nDURATION_S", "with SPAN 'GET /orders' among them"),
        ("DURATION_S", "ENDPOINTS = [('GET /orders', 0)]\nDURATION_S", "weight above 0"),
        ("DURATION_S", "ENDPOINTS = 5\nDURATION_S", "has ENDPOINTS = 5"),
    ],
)
def test_broken_contract_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    """With the file, the value, and what would be right."""
    assert old in GOOD
    with pytest.raises(InvalidScenario) as caught:
        load(write(tmp_path, GOOD.replace(old, new, 1)))
    assert "some_scenario.py" in str(caught.value) and message in str(caught.value)


def test_site_and_holder_are_needed_for_leaks_only(tmp_path: Path) -> None:
    """What is bounded has none."""
    text = GOOD.replace('KIND = "leak"', 'KIND = "bounded"').replace('SITE = "remember"\nHOLDER = None\n', "")
    assert load(write(tmp_path, text)).site is None


def test_endpoints_with_weights(tmp_path: Path) -> None:
    """Then request() is told which it serves."""
    text = GOOD.replace("DURATION_S", "ENDPOINTS = [('GET /orders', 1), ('GET /', 3)]\nDURATION_S")
    scenario = load(write(tmp_path, text))
    assert scenario.has_endpoints and scenario.endpoints == (("GET /orders", 1.0), ("GET /", 3.0))


def test_folder_without_scenarios_is_an_error(tmp_path: Path) -> None:
    """An empty one and one that is not there."""
    with pytest.raises(InvalidScenario, match="holds no scenario"):
        paths(tmp_path)
    with pytest.raises(InvalidScenario, match="must be a folder"):
        paths(tmp_path / "missing")


def test_constants_are_read_without_running_the_file(tmp_path: Path) -> None:
    """So that what a scenario requires is known before it fails to import it."""
    file = write(tmp_path, "import nonexistent\nREQUIRES = ['nonexistent==1.0']\nKIND: str = 'leak'\nSPAN = kind()\n")
    assert declared(file) == {"REQUIRES": ["nonexistent==1.0"], "KIND": "leak"}
    assert declared(write(tmp_path, "def broken(:", "broken.py")) == {}


def test_missing_requirements_say_what_is_there_instead() -> None:
    """Not installed, another version, not meant for this interpreter; and one that cannot be read."""
    pytest_version = pytest.__version__
    assert missing_requirements([f"pytest=={pytest_version}", "nonexistent-package==1; python_version < '3'"]) == []
    assert missing_requirements(["nonexistent-package==1.0"]) == ["nonexistent-package==1.0 (not installed)"]
    assert missing_requirements(["pytest==0.1"]) == [f"pytest==0.1 (installed: {pytest_version})"]
    with pytest.raises(InvalidScenario, match="not 'numpy = 2'"):
        missing_requirements(["numpy = 2"])
