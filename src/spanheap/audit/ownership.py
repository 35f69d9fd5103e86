"""Whose containers are reported: the application's and its libraries', not those of Python, test tools and this profiler.

Containers of the standard library level off (modules, compiled patterns, source lines) or belong to somebody who uses
them, whose name is on the way to them then. A test run collects reports, fixtures and the spans that tests look at.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Sequence

from spanheap.retention.path import Step

_TEST_TOOLS = frozenset((
    "_pytest", "pytest", "pluggy", "xdist", "execnet", "hypothesis", "_hypothesis_pytestplugin", "coverage",
    "pytest_asyncio", "pytest_cov",
))
# The SDK's exporter for tests, of which every test run has one; in a service that is not under test it is a leak.
_TEST_CLASSES = ("opentelemetry.sdk.trace.export.in_memory_span_exporter.",)
_TEST_MODULE = re.compile(r"test_\w+|\w+_test|tests?|conftest")
_OWN = "spanheap"


def is_test_run() -> bool:
    """This process runs tests."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return "_pytest" in sys.modules or str(getattr(spec, "name", "")).startswith("unittest")


def is_reported(path: Sequence[Step], test_run: bool) -> bool:
    """Whether a container at the end of this way is of interest: somebody but Python and the tools has a name on it."""
    owners = [step.owner for step in path if step.owner]
    if any(_top(owner) == _OWN for owner in owners):
        return False
    if any(step.kind == "context variable" for step in path):
        return True
    return any(not _is_of_python(owner) and not (test_run and _is_of_tests(owner)) for owner in owners)


def _top(owner: str) -> str:
    return owner.partition(".")[0]


def _is_of_python(owner: str) -> bool:
    top = _top(owner)
    return top in sys.stdlib_module_names or (top == owner and hasattr(builtins, owner))


def _is_of_tests(owner: str) -> bool:
    module = owner.partition(":")[0].split(".")
    return (module[0] in _TEST_TOOLS or owner.startswith(_TEST_CLASSES)
            or any(_TEST_MODULE.fullmatch(part) for part in module))
