"""Where a container is found: what code has to name in order to mean this very object, and which code could.

Names repeat: `entries` of one class and `entries` of another are two containers. So a place is a name together with what it
is a name in: a module, a class (for it and its instances), a function's closure, or one function's local variables.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from spanheap import _core
from spanheap.retention import owner
from spanheap.snapshot.application import Origin, file_origin

MAX_UNITS = 4000   # functions that are looked at; about 20 us each
_LOCAL = threading.local.__mro__[-2]   # the one in C
_GENERIC = frozenset(("collections", "collections.abc", "_collections_abc", "typing", "abc", "builtins", "types", "enum"))


class Place(NamedTuple):
    """A name, and what it is a name in."""

    kind: Literal["global", "attribute", "closure", "local"]
    name: str
    owner: Any                # the module, or an object that goes by a global name; the class; the function; the code object
    container: Any = None     # what is there now
    instance: Any = None      # of the class, that has it
    nested: bool = False      # what grows is not it, but in it


class Unit(NamedTuple):
    """A function's code, and what names mean in it."""

    code: types.CodeType
    names: dict[str, Any]     # its globals
    cls: type | None          # that it is a method of
    myself: str               # what it calls the instance or the class; "" in no method


def units_of(place: Place) -> Iterator[Unit]:
    """Code that could reach the container, at most MAX_UNITS + 1."""
    for n, unit in enumerate(_units_of(place)):
        if n > MAX_UNITS:
            return
        yield unit


def module_of(place: Place) -> str:
    """The name of the module whose code has the container."""
    if place.kind == "global":
        return owner.module_name(place.owner) if owner.is_a(place.owner, types.ModuleType) else ""
    if place.kind == "attribute":
        return str(owner.namespace(place.owner).get("__module__", ""))
    if place.kind == "closure":
        return _module_of_function(place.owner)
    return ""


def home_of(place: Place) -> str:
    """The module that made the container an attribute: that of the most basic class whose code names it."""
    if place.kind != "attribute":
        return module_of(place)
    for cls in reversed(owner.mro(place.owner)):
        functions = (f for f in owner.namespace(cls).values() if owner.is_a(f, types.FunctionType))
        if any(place.name in types.FunctionType.__dict__["__code__"].__get__(f).co_names for f in functions):
            return str(owner.namespace(cls).get("__module__", ""))
    return module_of(place)


def related(place: Place) -> frozenset[type]:
    """Classes whose attribute of this name it may be: the class, its bases and what inherits from it."""
    if place.kind != "attribute" or not owner.is_a(place.owner, type):
        return frozenset()
    found = {cls for cls in owner.mro(place.owner) if owner.namespace(cls).get("__module__") not in _GENERIC}
    pending = [place.owner]
    while pending:
        found.add(cls := pending.pop())
        pending.extend(c for c in type.__subclasses__(cls) if c not in found)
    return frozenset(found)


def _units_of(place: Place) -> Iterator[Unit]:
    if place.kind == "local":
        yield from _nested(Unit(place.owner, {}, None, ""))
    elif place.kind == "closure":
        yield from _siblings(place)
    elif place.kind == "global":
        for module in _modules_that_know(place):
            yield from _units_in(module)
    else:
        # Of a library only the class's own module: its packages are large.
        homes = {str(owner.namespace(cls).get("__module__", "")) for cls in related(place)}
        packages = {home.partition(".")[0] for home in homes if not is_library(home)}
        seen = set()
        for name, module in list(sys.modules.items()):
            if (name in homes or name.partition(".")[0] in packages) and owner.is_a(module, types.ModuleType):
                seen.add(id(module))
                yield from _units_in(module)
        if place.instance is not None:   # and whoever has the instance under a name
            for module in _modules_with(place.instance):
                if id(module) not in seen:
                    yield from _units_in(module)


def is_library(module: str) -> bool:
    """Whether this module is not the application's own."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return isinstance(file, str) and file_origin(file) is not Origin.APPLICATION


def _modules_that_know(place: Place) -> Iterator[types.ModuleType]:
    """The module itself, then those that have imported the container or the module."""
    if owner.is_a(place.owner, types.ModuleType):
        yield place.owner
    for module in list(sys.modules.values()):
        if module is not place.owner and owner.is_a(module, types.ModuleType):
            values = list(_namespace(module).values())
            if any(v is place.owner or (v is place.container and v is not None) for v in values):
                yield module


def _modules_with(instance: Any) -> Iterator[types.ModuleType]:
    for module in list(sys.modules.values()):
        if owner.is_a(module, types.ModuleType) and any(v is instance for v in list(_namespace(module).values())):
            yield module


def _namespace(module: types.ModuleType) -> dict[str, Any]:
    return _core.instance_dict(module) or {}


def _siblings(place: Place) -> Iterator[Unit]:
    """All functions that were made in the outermost function around this one."""
    function = place.owner
    code, names = function.__code__, function.__globals__
    module = sys.modules.get(_module_of_function(function))
    found = False
    for unit in _units_in(module) if module is not None else ():
        if any(inner.code is code for inner in _nested(unit)) and code is not unit.code:
            found = True
            yield from _nested(unit)
    if not found:
        yield from _nested(Unit(code, names, None, ""))


def place_of(step: Any, objects: Sequence[Any], after: int, code: Any) -> Place | None:
    """Of the object that a step of a path tells of.

    after: its place in `objects`; code: of the root, where that is a frame."""
    holders = objects[:after]
    o = objects[after] if after < len(objects) else None
    if step.kind == "global":
        module = sys.modules.get(step.owner)
        return Place("global", step.name, module, o) if owner.is_a(module, types.ModuleType) else None
    if step.kind == "attribute":
        for holder in reversed(holders):
            if owner.is_a(holder, types.FunctionType) and owner.function_name(holder) == step.owner:
                return Place("global", step.name, holder, o)
            for cls in (holder,) if owner.is_a(holder, type) else owner.mro(type(holder)):
                if owner.type_name(cls) == step.owner:
                    return Place("attribute", step.name, cls, o, None if holder is cls else holder)
        return None
    if step.kind in ("closure", "default"):
        function = next((h for h in reversed(holders) if owner.is_a(h, types.FunctionType)), None)
        if function is None:
            return None
        if step.kind == "closure":
            return Place("closure", step.name, function, o)
        return Place("local", step.name, types.FunctionType.__dict__["__code__"].__get__(function), o)
    if step.kind == "thread-local":
        local = next((h for h in reversed(holders) if owner.is_a(h, _LOCAL)), None)
        return Place("global", step.name, local, o) if local is not None else None
    if isinstance(code, types.CodeType) and step.kind in ("variable", "the caller's variable"):
        return Place("local", step.name, code, o)
    return None


def _module_of_function(function: Any) -> str:
    name = _core.value_of(types.FunctionType.__dict__["__globals__"].__get__(function), "__name__")
    return name if type(name) is str else ""


def _nested(unit: Unit) -> Iterator[Unit]:
    yield unit
    for constant in unit.code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(unit._replace(code=constant))


def _units_in(module: types.ModuleType) -> Iterator[Unit]:
    """Functions and methods that were made in this module, nested ones included, and its own code while that runs."""
    names, name = _namespace(module), owner.module_name(module)
    for frame in _frames():
        if frame.f_code.co_name == "<module>" and frame.f_globals is names:
            yield Unit(frame.f_code, names, None, "")
    seen: set[int] = set()
    pending: list[tuple[Any, type | None]] = [(value, None) for value in list(names.values())]
    while pending:
        o, cls = pending.pop()
        if id(o) in seen:
            continue
        seen.add(id(o))
        if owner.is_a(o, types.FunctionType):
            if types.FunctionType.__dict__["__globals__"].__get__(o) is names:
                code = types.FunctionType.__dict__["__code__"].__get__(o)
                myself = code.co_varnames[0] if cls is not None and code.co_argcount else ""
                yield from _nested(Unit(code, names, cls, myself))
                pending.extend((f, cls) for f in _closed_over(o))
        elif owner.is_a(o, (staticmethod, classmethod)):
            pending.append((type(o).__func__.__get__(o), cls))
        elif owner.is_a(o, property):
            pending.extend((f, cls) for f in (o.fget, o.fset, o.fdel) if f is not None)
        elif owner.is_a(o, owner.LruCache):
            pending.append((_core.attribute(o, "__wrapped__"), cls))
        elif owner.is_a(o, type) and owner.namespace(o).get("__module__") == name:
            pending.extend((value, o) for value in owner.namespace(o).values())


def _frames() -> Iterator[types.FrameType]:
    """Of all threads."""
    for leaf in sys._current_frames().values():
        frame: types.FrameType | None = leaf
        while frame is not None:
            yield frame
            frame = frame.f_back


def _closed_over(function: Any) -> Iterator[Any]:
    """What a decorator of this module has wrapped."""
    for cell in types.FunctionType.__dict__["__closure__"].__get__(function) or ():
        try:
            content = cell.cell_contents
        except ValueError:   # empty
            continue
        if owner.is_a(content, types.FunctionType):
            yield content
