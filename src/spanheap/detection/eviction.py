"""Does any code take entries out of a container, and is there a limit? Read from the bytecode of the code that can reach it.

A cache that is not full yet and a leak grow alike, but the cache's module has code that removes: `popitem`, `del
cache[oldest]`; or that asks for the length before it puts something in. What counts has to mean the same object
(place.py), not one that is called alike.

    NONE       no code removes from it
    RELEASE    code removes by key alone: whoever put an entry in takes it out, or forgets to
    EVICTION   the code that removes also counts or walks the entries, or removes whichever comes; or the length is limited
"""

from __future__ import annotations

import math
import re
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from spanheap.detection import place as places
from spanheap.detection.evidence import Bound
from spanheap.detection.place import Place, Unit
from spanheap.retention import owner

if TYPE_CHECKING:
    from spanheap.detection.uses import Reader

BOUND_ATTRIBUTES = frozenset((
    "maxsize", "max_size", "max_entries", "max_items", "maxlen", "capacity", "ttl", "popitem", "expire", "evict",
    "_evict", "cull", "_maxsize",
))
# What these remove, they remove when the container's time is over: at the end of the process, of a test.
END_OF_LIFE = re.compile(
    r"_*(a?close|tear_?down|set_?up|setUp|tearDown|shut_?down|stop|reset|clear|dispose|destroy)(_?(all|caches?|memo|mock|state))?"
    r"|__del__|__exit__|__aexit__|main"
)
_HEAP_TYPE = 1 << 9   # made by a class statement
_GENERIC = frozenset(("collections", "collections.abc", "_collections_abc", "typing", "abc", "builtins", "types", "enum"))


class Found(NamedTuple):
    """What the code says."""

    bound: Bound
    limit: float | None = None   # of entries; None: none is known
    age: float | None = None     # seconds, that an entry is kept; None: none is known
    inner: Bound = Bound.UNKNOWN   # of what is nested in the place, as long as that stays


def bound_of(place: Place) -> Found:
    """What ends the growth of the container in this place. UNKNOWN: no code was found, or too much."""
    from spanheap.detection.uses import Reader  # with dis: at a verdict only

    classes = places.related(place)
    units = list(places.units_of(place))
    if not units or len(units) > places.MAX_UNITS:
        return Found(Bound.UNKNOWN)
    unique = _is_unique(place, classes, units)
    units = [unit for unit in units if not END_OF_LIFE.fullmatch(unit.code.co_name)]
    bound, limit, age = _said(Reader(place, classes, unique=unique, units=units), units)
    inner = _said(Reader(place, classes, unique=unique, inner=True), units)[0] if place.nested else Bound.UNKNOWN
    return Found(bound, limit, age, inner)


def _said(reader: Reader, units: list[Unit]) -> tuple[Bound, float | None, float | None]:
    evicts = removes = False
    limits: list[float] = []
    ages: list[float] = []
    turns = [0.0]
    for unit in units:
        use = reader.read(unit)
        evicts |= use.evicts   # of each function for itself: what removes by key, and what walks, are often two
        removes |= use.by_key
        limits += use.limits
        ages += use.ages
        turns += use.turns
    limit, age = max(filter(math.isfinite, limits), default=None), max(ages) + max(turns) if ages else None
    if evicts or limits:
        return Bound.EVICTION, limit, age
    return Bound.RELEASE if removes else Bound.NONE, None, None


def is_let_go(place: Place) -> bool:
    """Whether any code lets go of what is in this place, and of all that is in that: takes it out, or puts another there."""
    from spanheap.detection.uses import Reader

    classes, units = places.related(place), list(places.units_of(place))
    if not units or len(units) > places.MAX_UNITS:
        return False
    reader = Reader(place, classes, unique=_is_unique(place, classes, units))
    uses = [reader.read(unit) for unit in units if not END_OF_LIFE.fullmatch(unit.code.co_name)]
    return any(use.evicts or use.limits or use.swaps for use in uses)


def _is_unique(place: Place, classes: frozenset[type], units: list[Unit]) -> bool:
    """Whether an attribute of this name, of whatever object, is likely to be this one: no other class here has one."""
    if place.kind != "attribute":
        return False
    others = {unit.cls for unit in units if unit.cls is not None and unit.cls not in classes}
    return not any(
        place.name in unit.code.co_names for unit in units if unit.cls in others and unit.code.co_name == "__init__"
    ) and not any(place.name in owner.namespace(cls) for cls in others)


def class_evicts(cls: type) -> bool:
    """Whether a class speaks of a bound: by a method that evicts, or an attribute that says how many or how long."""
    for base in owner.mro(cls):
        namespace = owner.namespace(base)
        is_own = base.__flags__ & _HEAP_TYPE and namespace.get("__module__") not in _GENERIC
        if is_own and any(is_bound(namespace.get(name)) for name in BOUND_ATTRIBUTES):
            return True
    return False


def is_bound(value: Any) -> bool:
    """A number that is a limit, or a method; 0 and infinity stand for no limit."""
    if isinstance(value, (int, float)):
        return 0 < value < math.inf
    return value is not None and not (isinstance(value, types.FunctionType) and _only_raises(value.__code__))


def _only_raises(code: types.CodeType) -> bool:
    """As a mapping that does not change has it, for what would change it."""
    from spanheap.detection.bytecode import operations

    return not any(op.name.startswith("RETURN_") and op.name != "RETURN_GENERATOR" for op in operations(code))


def limit_of(attributes: dict[str, Any]) -> float | None:
    """Of the attributes that say how many: the number; None: none does."""
    for name in ("maxsize", "max_size", "max_entries", "max_items", "maxlen", "capacity", "_maxsize"):
        value = attributes.get(name)
        if isinstance(value, (int, float)) and 0 < value < math.inf:
            return float(value)
    return None


def age_of(attributes: dict[str, Any]) -> float | None:
    """Of the attribute that says how long, in seconds; None: none does."""
    value = attributes.get("ttl")
    return float(value) if isinstance(value, (int, float)) and 0 < value < math.inf else None
