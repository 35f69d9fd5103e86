"""Does any code take entries out of a container? Read from the bytecode of the modules that know the container's name.

A cache that is not full yet and a leak grow alike, but the cache's module has code that removes: `popitem`, `del
cache[oldest]`. What is looked for, in every function of the container's module and its package, is a load of the
container's name that is followed by a removal. Nothing is run, and no values are looked at.

    NONE       no code removes from it
    RELEASE    code removes by key alone: whoever put an entry in takes it out, or forgets to
    EVICTION   the code that removes also counts or walks the entries, or removes whichever comes
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from spanheap.detection.evidence import Bound

# Removes whichever comes, or all: a bound. Methods of dict, set, deque, list, heap, queues and of caches that are classes.
ANY_ENTRY = frozenset(("popitem", "popleft", "clear", "expire", "evict", "cull", "prune", "trim", "purge", "get_nowait"))
BY_KEY = frozenset(("pop", "discard", "remove", "__delitem__", "difference_update"))
WALKS = frozenset(("items", "values", "keys", "move_to_end", "copy"))
WALKERS = frozenset(("len", "iter", "next", "list", "tuple", "sorted", "min", "max", "heappop", "reversed", "sum"))
BOUND_ATTRIBUTES = frozenset((
    "maxsize", "max_size", "max_entries", "max_items", "maxlen", "capacity", "ttl", "popitem", "expire", "evict",
    "_evict", "cull",
))
# What these remove, they remove when the container's time is over: at the end of the process, of a test.
END_OF_LIFE = frozenset((
    "setup", "teardown", "setUp", "tearDown", "set_up", "tear_down", "close", "aclose", "shutdown", "stop", "reset", "clear",
    "__del__", "__exit__", "__aexit__", "_reset", "_clear", "_close", "_shutdown", "dispose", "destroy", "main",
))
MAX_CODES = 4000   # of a package; about 20 us each
_METHODS = ("LOAD_ATTR", "LOAD_METHOD")
_LOADS = (*_METHODS, "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FAST")   # and what begins like them
_NOISE = frozenset(("CACHE", "PRECALL", "PUSH_NULL", "EXTENDED_ARG", "NOP", "RESUME", "COPY", "SWAP"))
_KEY_LENGTH = 8    # instructions between a container and DELETE_SUBSCR: the key


def bound_of(module: str, name: str) -> Bound:
    """The bound of the container that is called `name` (a global or an attribute) in this module. UNKNOWN: no code found."""
    found, codes = Bound.NONE, 0
    for code in _codes_of_package(module):
        codes += 1
        if codes > MAX_CODES:
            return Bound.UNKNOWN
        if not any(name in names for names in (code.co_names, code.co_freevars, code.co_cellvars, code.co_varnames)):
            continue
        if code.co_name in END_OF_LIFE:
            continue
        use = _use(code, name)
        if use is Bound.EVICTION:
            return use
        if use is Bound.RELEASE:
            found = use
    return found if codes else Bound.UNKNOWN


def class_evicts(cls: type, attributes: dict[str, Any] | None) -> bool:
    """Whether a class speaks of a bound: by a method that evicts, or an attribute that says how many or how long."""
    if attributes is not None and not BOUND_ATTRIBUTES.isdisjoint(name for name in attributes if isinstance(name, str)):
        return True
    for base in type.__dict__["__mro__"].__get__(cls):
        namespace = type.__dict__["__dict__"].__get__(base)
        is_own = base.__flags__ & _HEAP_TYPE and namespace.get("__module__") not in _GENERIC
        if is_own and not BOUND_ATTRIBUTES.isdisjoint(namespace):
            return True
    return False


_HEAP_TYPE = 1 << 9   # made by a class statement
_GENERIC = frozenset(("collections", "collections.abc", "_collections_abc", "typing", "abc", "builtins", "types", "enum"))


def _use(code: types.CodeType, name: str) -> Bound:
    """What this function does with the container."""
    import dis  # at a verdict only

    removes = any_entry = walks = False
    aliases = {name}
    recent: list[str] = []   # names loaded just before
    distance, loaded = _KEY_LENGTH + 1, False   # instructions since the container was loaded; it was just now
    for instruction in dis.get_instructions(code):
        op, value = instruction.opname, instruction.argval
        if op in _NOISE:
            continue
        names = [n for n in (value if isinstance(value, tuple) else (value,)) if isinstance(n, str)]
        if loaded:
            method = set(names) if op.startswith(_METHODS) else set()
            any_entry |= "heappop" in recent or not ANY_ENTRY.isdisjoint(method)
            removes |= not BY_KEY.isdisjoint(method)
            walks |= op == "GET_ITER" or not WALKERS.isdisjoint(recent) or not WALKS.isdisjoint(method)
            if op == "STORE_FAST":
                aliases.update(names)
        removes |= op == "DELETE_SUBSCR" and distance <= _KEY_LENGTH
        distance += 1
        loaded = op.startswith(_LOADS) and not aliases.isdisjoint(names)
        if loaded:
            distance = 0
        elif op.startswith(_LOADS):
            recent.extend(names)
        else:
            recent.clear()
    if any_entry or (removes and walks):
        return Bound.EVICTION
    return Bound.RELEASE if removes else Bound.NONE


def _codes_of_package(module: str) -> Iterator[types.CodeType]:
    """All code of the module first, then of its package, as far as they are imported."""
    package = module.partition(".")[0]
    others = (name for name in list(sys.modules) if name == package or name.startswith(package + "."))
    for name in dict.fromkeys((module, *others)):
        loaded = sys.modules.get(name)
        if isinstance(loaded, types.ModuleType):
            yield from _codes(loaded.__dict__, name)


def _codes(namespace: dict[str, Any], module: str) -> Iterator[types.CodeType]:
    """Code of the functions and classes that were made in this module, nested ones included."""
    seen: set[int] = set()
    pending: list[Any] = list(namespace.values())
    while pending:
        o = pending.pop()
        if id(o) in seen:
            continue
        seen.add(id(o))
        if isinstance(o, types.CodeType):
            yield o
            pending.extend(c for c in o.co_consts if isinstance(c, types.CodeType))
        elif isinstance(o, types.FunctionType):
            if o.__module__ == module:
                pending.append(o.__code__)
                pending.extend(_wrapped(o))
        elif isinstance(o, (staticmethod, classmethod)):
            pending.append(o.__func__)
        elif isinstance(o, property):
            pending.extend(f for f in (o.fget, o.fset, o.fdel) if f is not None)
        elif issubclass(type(o), type):
            namespace = type.__dict__["__dict__"].__get__(o)
            if namespace.get("__module__") == module:
                pending.extend(namespace.values())


def _wrapped(function: types.FunctionType) -> Iterable[Any]:
    """What a decorator of this module closes over."""
    for cell in function.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:   # empty
            continue
        if isinstance(content, types.FunctionType):
            yield content
