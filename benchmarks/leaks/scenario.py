"""A scenario: a Python file that says what it is and acts it out. What is wrong with one is named, with the way out."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

KINDS = ("leak", "bounded", "growing_bound_unknown")
DEFAULT_CONCURRENCY = 50

# What can be read of a scenario without running it: enough to say which it was when it cannot be imported.
_DECLARED = ("KIND", "SPAN", "SITE", "HOLDER", "REQUIRES", "DURATION_S")


class InvalidScenario(Exception):
    """The file breaks the contract: the message names the file, the value and what would be right."""


@dataclass(frozen=True)
class Scenario:
    """One scenario, imported and checked."""

    name: str
    path: Path
    kind: str
    span: str
    endpoints: tuple[tuple[str, float], ...]   # (span name, weight): one, SPAN, unless the scenario has several
    site: str | None
    holder: str | None
    requests_per_second: float
    duration_s: float
    concurrency: int
    traffic: Callable[[float], float]
    setup: Callable[[], object]
    request: Callable[..., Any]
    teardown: Callable[[], object]
    has_endpoints: bool                        # request() is told which endpoint it serves


def paths(folder: Path) -> list[Path]:
    """The scenario files of a folder, by name; those that begin with `_` are their helpers."""
    if not folder.is_dir():
        raise InvalidScenario(f"--scenarios must be a folder of scenario files, which {folder} is not")
    found = sorted(path.resolve() for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not found:
        raise InvalidScenario(f"{folder} holds no scenario: a file NAME.py, whose name does not begin with '_'")
    return found


def declared(path: Path) -> dict[str, Any]:
    """The constants of the contract that the file assigns as literals, without running it; {} if it cannot be parsed."""
    try:
        body = ast.parse(path.read_text()).body
    except (SyntaxError, ValueError):
        return {}
    constants: dict[str, Any] = {}
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id in _DECLARED:
                try:
                    constants[target.id] = ast.literal_eval(value)
                except ValueError:
                    constants.pop(target.id, None)
    return constants


def missing_requirements(requirements: Any) -> list[str]:
    """Those that this environment does not fulfil, each with what it has instead."""
    from packaging.requirements import InvalidRequirement, Requirement  # with pytest, in the extra `bench`

    if isinstance(requirements, str):
        requirements = [requirements]
    missing = []
    for text in requirements or ():
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, TypeError) as error:
            raise InvalidScenario(f"REQUIRES must list requirements such as 'numpy==2.2.0', not {text!r}: {error}") from None
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(f"{text} (not installed)")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            missing.append(f"{text} (installed: {version})")
    return missing


def load(path: Path) -> Scenario:
    """Import the file as the module it is named for, with its folder on sys.path, and check it against the contract."""
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)   # last: a scenario may be called as a module of the standard library is
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InvalidScenario(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    shadowed = sys.modules.get(path.stem)
    if shadowed is None:   # pickle and the like look a module up by its name
        sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return checked(module, path)


def checked(module: ModuleType, path: Path) -> Scenario:
    """The module as a Scenario. Raises InvalidScenario."""
    check = _Check(module, path)
    if not (module.__doc__ or "").strip():
        check.fail("has no docstring: say the pattern in one line, and where it was seen")
    kind = check.of("KIND", lambda v: v in KINDS, f"one of {', '.join(map(repr, KINDS))}")
    span = check.text("SPAN")
    is_leak = kind == "leak"
    site = check.text_or_none("SITE", required=is_leak)
    holder = check.text_or_none("HOLDER", required=is_leak)
    if is_leak and site is None and holder is None:
        check.fail("has neither SITE nor HOLDER: nothing would tell a right verdict from a wrong one")
    endpoints = check.endpoints(span)
    traffic = check.function("traffic", optional=True) or _steady
    return Scenario(
        name=path.stem, path=path, kind=kind, span=span, endpoints=endpoints or ((span, 1.0),), site=site, holder=holder,
        requests_per_second=check.positive("REQUESTS_PER_SECOND"), duration_s=check.positive("DURATION_S"),
        concurrency=check.whole("CONCURRENCY", DEFAULT_CONCURRENCY), traffic=traffic,
        setup=check.function("setup"), request=check.function("request"), teardown=check.function("teardown"),
        has_endpoints=bool(endpoints),
    )


def _steady(t: float) -> float:
    return 1.0


class _Check:
    """Takes what the contract names out of a module."""

    def __init__(self, module: ModuleType, path: Path) -> None:
        self._module = module
        self._path = path

    def fail(self, problem: str) -> None:
        raise InvalidScenario(f"{self._path.name} {problem}")

    def of(self, name: str, right: Callable[[Any], bool], what: str, default: Any = ...) -> Any:
        value = getattr(self._module, name, default)
        if value is ...:
            self.fail(f"does not define {name}: it must be {what}")
        try:
            accepted = right(value)
        except TypeError:
            accepted = False
        if not accepted:
            self.fail(f"has {name} = {value!r}: it must be {what}")
        return value

    def text(self, name: str) -> str:
        value: str = self.of(name, lambda v: isinstance(v, str) and v != "", "a text that is not empty")
        return value

    def text_or_none(self, name: str, *, required: bool) -> str | None:
        default = ... if required else None
        value: str | None = self.of(name, lambda v: v is None or (isinstance(v, str) and v != ""), "a text or None", default)
        return value

    def positive(self, name: str) -> float:
        def right(value: Any) -> bool:
            return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf

        return float(self.of(name, right, "a number above 0"))

    def whole(self, name: str, default: int) -> int:
        def right(value: Any) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and value >= 1

        return int(self.of(name, right, "a whole number of at least 1", default))

    def function(self, name: str, *, optional: bool = False) -> Callable[..., Any] | None:
        found: Callable[..., Any] | None = self.of(name, callable, "a function", None if optional else ...) if (
            not optional or hasattr(self._module, name)
        ) else None
        return found

    def endpoints(self, span: str) -> tuple[tuple[str, float], ...]:
        value = getattr(self._module, "ENDPOINTS", None)
        if value is None:
            return ()
        what = f"a list of (span name, weight above 0), with SPAN {span!r} among them"
        try:
            pairs = tuple((name, float(weight)) for name, weight in value)
        except (TypeError, ValueError):
            pairs = ()
        names = [name for name, _ in pairs]
        if not all(isinstance(name, str) for name in names) or span not in names or any(w <= 0 for _, w in pairs):
            self.fail(f"has ENDPOINTS = {value!r}: it must be {what}")
        return pairs
