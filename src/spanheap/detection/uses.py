"""What one function does with a container, read from its bytecode. Nothing is run.

The instructions are read in their order, one after the other, without following jumps: what matters is which instruction
loads the container and which comes right after. Loads that cannot be told to be of the container's own object (`x.entries`
of an unknown x) count where no other class has an attribute of that name.
"""

from __future__ import annotations

import datetime
import functools
import math
import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from spanheap import _core
from spanheap.detection.bytecode import Op, operations
from spanheap.detection.place import Place, Unit
from spanheap.detection.times import read as read_times
from spanheap.retention import owner

# Removes whichever comes, or all: a bound. Methods of containers, heaps, queues, buffers and of caches that are classes.
ANY_ENTRY = frozenset((
    "popitem", "popleft", "clear", "expire", "evict", "cull", "prune", "trim", "purge", "get_nowait", "truncate",
    "intersection_update",
))
BY_KEY = frozenset(("pop", "discard", "remove", "__delitem__", "difference_update"))
WALKS = frozenset(("items", "values", "keys", "move_to_end", "copy"))
WALKERS = frozenset(("iter", "next", "list", "tuple", "sorted", "min", "max", "reversed", "sum", "enumerate"))
EMPTY = frozenset((
    "dict", "list", "set", "deque", "OrderedDict", "defaultdict", "Counter", "bytearray", "StringIO", "BytesIO", "array",
))
CONSTRUCTORS = frozenset(("__init__", "__new__", "__post_init__", "__attrs_post_init__", "__setstate__", "__copy__"))
# Functions that make things once.
_BEGINS = re.compile(r"_*(?:start|open|init|initiali[sz]e|configure|connect|boot|prepare|load|new|a?enter)(?:_|$)")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_NAMES = ("LOAD_GLOBAL", "LOAD_NAME")
_LOCALS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")
_STORES = ("STORE_GLOBAL", "STORE_NAME", "STORE_ATTR", "STORE_DEREF", "STORE_FAST")
_KEY_LENGTH = 8    # instructions between a container and DELETE_SUBSCR: the key
_FEW = 2           # a length that is compared with so little is asked for emptiness
_HELPERS = 2       # functions deep, that are given the container


@dataclass
class Use:
    """What a function, or several, do."""

    any_entry: bool = False    # removes whichever comes, or all
    by_key: bool = False       # removes by key
    walks: bool = False        # goes through the entries
    limits: list[float] = field(default_factory=list)   # what the length is compared with; inf: not known
    ages: list[float] = field(default_factory=list)     # seconds, that times are compared with
    turns: list[float] = field(default_factory=list)    # and those that tell when it is looked at next
    swaps: bool = False        # puts another in its place

    @property
    def evicts(self) -> bool:
        return self.any_entry or (self.by_key and (self.walks or bool(self.limits)))

    def add(self, other: Use) -> None:
        self.any_entry |= other.any_entry
        self.by_key |= other.by_key
        self.walks |= other.walks
        self.limits += other.limits
        self.ages += other.ages
        self.turns += other.turns
        self.swaps |= other.swaps


class Reader:
    """Knows the container by its place, and reads function after function."""

    def __init__(
        self, place: Place, classes: frozenset[type], *, unique: bool, inner: bool = False, units: Sequence[Unit] = (),
    ) -> None:
        """classes: related(place). unique: no other class has an attribute of this name. inner: only what is done with what
        is nested in the place. units: all the code that will be read."""
        self._place, self._classes, self._unique, self._inner, self._units = place, classes, unique, inner, units
        self._is_sequence = place.container is not None and owner.is_a(place.container, (list, bytearray))
        self._is_set = place.container is not None and owner.is_a(place.container, (set,))

    # ------------------------------------------------------------ which instruction means the container

    def _names_here(self, unit: Unit) -> set[str]:
        """Globals of this function's module that are the container."""
        place = self._place
        names = {place.name} if place.kind == "global" and unit.names is _core.instance_dict(place.owner) else set()
        if place.container is not None and place.kind == "global":
            names |= {name for name, value in list(unit.names.items()) if value is place.container}
        return names

    def _is_it(self, unit: Unit, ops: Sequence[Op], i: int, names: set[str], stored: bool = False) -> bool:
        """Whether instruction i loads the container (or stores what is to be it)."""
        op, place = ops[i], self._place
        verb = "STORE" if stored else "LOAD"
        if place.kind == "global":
            if op.name in (f"{verb}_GLOBAL", f"{verb}_NAME"):
                return not names.isdisjoint(op.names)
            return place.name in op.names and self._is_attribute(op, verb) and self._receiver(unit, ops, i) is place.owner
        if place.kind == "closure":
            return op.name == f"{verb}_DEREF" and place.name in op.names
        if place.kind == "local":
            return op.name.startswith((f"{verb}_FAST", f"{verb}_DEREF")) and place.name in op.names
        if place.name not in op.names or not self._is_attribute(op, verb):
            return False
        receiver = self._receiver(unit, ops, i)
        if receiver is _UNKNOWN:
            return self._unique
        return receiver in self._classes if owner.is_a(receiver, type) else type(receiver) in self._classes

    @staticmethod
    def _is_attribute(op: Op, verb: str) -> bool:
        return op.name.startswith((f"{verb}_ATTR", f"{verb}_METHOD"))

    @staticmethod
    def _receiver(unit: Unit, ops: Sequence[Op], i: int) -> Any:
        """What the attribute is of, as far as names tell; else _UNKNOWN."""
        before = ops[i - 1] if i else None
        if before is None or not before.names:
            return _UNKNOWN
        name = before.names[-1]
        if before.name in _NAMES:
            return unit.names.get(name, _UNKNOWN)
        if before.name.startswith(_LOCALS) and name == unit.myself and unit.cls is not None:
            return unit.cls
        return _UNKNOWN

    # ------------------------------------------------------------ what is done with it

    def read(self, unit: Unit, depth: int = 0) -> Use:
        """What this function does with the container."""
        use, names = Use(), self._names_here(unit)
        mentioned = {self._place.name, *names}
        code = unit.code
        if not any(name in part for part in (code.co_names, code.co_freevars, code.co_cellvars, code.co_varnames)
                   for name in mentioned):
            return use
        ops = operations(code)
        aliases: set[str] = set()
        recent: list[Op] = []     # loads just before
        distance = _KEY_LENGTH + 1   # instructions since the container was loaded
        is_inner, stores = False, 0
        for i, op in enumerate(ops):
            loads = op.name.startswith("LOAD_")
            alias = op.name.startswith("LOAD_FAST") and not aliases.isdisjoint(op.names)
            if loads and (alias or self._is_it(unit, ops, i, names)):
                self._loaded(unit, ops, i, recent, use, aliases, depth)
                distance, is_inner = 0, alias
            elif op.name.startswith("BINARY_SUBSCR"):
                is_inner = True
            elif self._inner and not is_inner and op.name.endswith(("_SUBSCR", "_SLICE")):
                pass
            elif op.name == "DELETE_SUBSCR" and distance <= _KEY_LENGTH:
                by_place = ops[i - 1].name == "BUILD_SLICE" or (self._is_sequence and ops[i - 1].name == "LOAD_CONST")
                use.any_entry |= by_place or op.in_loop   # one after the other: a sweep
                use.by_key |= not by_place
            elif distance <= _KEY_LENGTH and (op.name == "STORE_SLICE" or (
                    op.name == "STORE_SUBSCR" and ops[i - 1].name == "BUILD_SLICE")):
                use.any_entry = True
            elif op.name.startswith(_STORES) and self._is_it(unit, ops, i, names, stored=True) and not self._inner:
                is_first = self._is_first(unit, ops, i)
                use.any_entry |= not is_first and self._starts_anew(ops, i)
                use.swaps |= self._place.kind == "attribute" and (not is_first or stores > 0) and not _BEGINS.match(
                    unit.code.co_name)
                stores += 1
            distance += 1
            if loads:
                recent.append(op)
            else:
                recent.clear()
        times = read_times(ops, lambda op: self._duration(unit, op))
        use.ages, use.turns = times.added + (times.compared if use.evicts or use.by_key else []), times.turns
        return use

    def _loaded(
        self, unit: Unit, ops: Sequence[Op], i: int, recent: list[Op], use: Use, aliases: set[str], depth: int,
    ) -> None:
        """The container is on top of the stack: what comes next?"""
        following = ops[i + 1] if i + 1 < len(ops) else _END
        called = {n for op in recent for n in op.names}
        method = set(following.names) if following.name.startswith(_ATTRIBUTES) else set()
        if self._place.nested and not (ops[i].name.startswith("LOAD_FAST") and aliases.intersection(ops[i].names)):
            if self._inner:
                method, called = set(), set()
            for op in ops[i + (2 if self._inner and following.name.startswith(_ATTRIBUTES) else 1):]:
                # What the statement gets out of it is meant as well.
                if op.line != ops[i].line or (self._inner and op.name == ops[i].name and op.names == ops[i].names):
                    break
                method |= set(op.names) if op.name.startswith(_ATTRIBUTES) else set()
                if op.name.startswith("STORE_FAST"):
                    aliases.update(op.names)
            method -= WALKS
        use.any_entry |= "heappop" in called or not ANY_ENTRY.isdisjoint(method)
        if not BY_KEY.isdisjoint(method):
            arguments = ops[i + 2] if i + 2 < len(ops) else _END
            by_place = "pop" in method and (
                self._is_set or arguments.name.startswith(("CALL", "PRECALL"))   # pop(): whichever
                or (self._is_sequence and arguments.name == "LOAD_CONST"))
            use.any_entry |= by_place or ops[i].in_loop   # one after the other: a sweep
            use.by_key |= not by_place
        use.walks |= following.name == "GET_ITER" or not WALKERS.isdisjoint(called) or not WALKS.isdisjoint(method)
        if following.name.startswith("STORE_FAST"):
            aliases.update(following.names)
        if "len" in called:
            limit = self._compared_with(unit, ops, i, recent)
            if limit is not None and limit > _FEW:
                use.limits.append(limit)
        if depth < _HELPERS:
            for function, parameter, cls in self._given_to(unit, recent):
                inner = Place("local", parameter, function.__code__, self._place.container)
                use.add(Reader(inner, frozenset(), unique=False).read(
                    Unit(function.__code__, function.__globals__, cls, ""), depth + 1))

    def _compared_with(self, unit: Unit, ops: Sequence[Op], i: int, recent: list[Op]) -> float | None:
        """What len(container) is compared with; inf: with something; None: with nothing."""
        after = i + 1
        while after < len(ops) and ops[after].name.startswith(("CALL", "PRECALL")):
            after += 1
        if after < len(ops) and ops[after].name.startswith("STORE_FAST"):   # n = len(container): what is n compared with?
            after, recent = self._next_load(ops, after), []
        for n in range(after, min(after + 4, len(ops))):
            if ops[n].name == "COMPARE_OP":
                operands = ops[after:n] if n > after else recent   # len(x) > limit, or limit < len(x)
                known = {"len", self._place.name}
                return self._number(unit, [op for op in operands if known.isdisjoint(op.names)])
            if not ops[n].name.startswith("LOAD_"):
                return None
        return None

    @staticmethod
    def _next_load(ops: Sequence[Op], stored: int) -> int:
        """What follows the next load of this variable that something is compared with."""
        for n in range(stored + 1, len(ops)):
            if ops[n].name.startswith("LOAD_FAST") and set(ops[stored].names) & set(ops[n].names) and any(
                    op.name == "COMPARE_OP" for op in ops[n + 1: n + 4]):
                return n + 1
        return len(ops)

    def _number(self, unit: Unit, ops: Sequence[Op]) -> float:
        for op in ops:
            value = op.value if op.name == "LOAD_CONST" else None
            if op.name in _NAMES:
                value = unit.names.get(op.names[0])
            elif op.name.startswith(_ATTRIBUTES) and op.names:
                value = _core.attribute(self._place.instance, op.names[0]) if self._place.instance is not None else None
                if value is None and self._place.kind == "attribute" and owner.is_a(self._place.owner, type):
                    value = owner.namespace(self._place.owner).get(op.names[0])
            if isinstance(value, datetime.timedelta):
                return value.total_seconds()
            if isinstance(value, (int, float)):
                return float(value)
        return math.inf

    def _duration(self, unit: Unit, op: Op) -> float:
        """The number that an instruction loads; inf for one that changes, such as the time of the last sweep."""
        named = op.name in _NAMES or op.name.startswith(_ATTRIBUTES)
        return math.inf if named and not self._variables.isdisjoint(op.names) else self._number(unit, [op])

    @functools.cached_property
    def _variables(self) -> frozenset[str]:
        """Attributes and globals that are given a value later than where their owner is made."""
        return frozenset(
            name for unit in self._units if unit.code.co_name not in CONSTRUCTORS and not _BEGINS.match(unit.code.co_name)
            for op in operations(unit.code) if op.name in ("STORE_ATTR", "STORE_GLOBAL") for name in op.names)

    @staticmethod
    def _given_to(unit: Unit, recent: Sequence[Op]) -> Iterator[tuple[Any, str, type | None]]:
        """(function, its parameter, its class) that the container is an argument of: names of functions just before."""
        for j in range(len(recent) - 1, -1, -1):
            op = recent[j]
            bound, function, cls = 0, None, None
            if op.name in _NAMES:
                function = unit.names.get(op.names[0])
            elif op.name.startswith(_ATTRIBUTES) and j and unit.myself in recent[j - 1].names and unit.cls is not None:
                bound, cls = 1, unit.cls
                function = next((found for c in owner.mro(cls) if (found := owner.namespace(c).get(op.names[0]))), None)
            if not owner.is_a(function, types.FunctionType):
                continue
            before = sum(not o.name.startswith(_ATTRIBUTES) for o in recent[j + 1:])
            parameters = function.__code__.co_varnames[: function.__code__.co_argcount]   # type: ignore[union-attr]
            for place in (bound + before, bound + before - 1):   # without, and with, the object whose attribute it is
                if 0 <= place < len(parameters):
                    yield function, parameters[place], cls
            return

    def _is_first(self, unit: Unit, ops: Sequence[Op], i: int) -> bool:
        """Whether what is stored is the container's first: in a constructor, by its own function, where it was None."""
        code, name = unit.code, self._place.name
        if self._place.kind == "local" or name in code.co_cellvars or code.co_name in CONSTRUCTORS:
            return True
        if code.co_name == "<module>":
            before = any(op.name == "STORE_NAME" and name in op.names for op in ops[:i])
            return not before and not ops[i].in_loop
        return any(
            name in op.names and ((after.name.startswith("POP_JUMP") and after.name.endswith("NONE"))
                                  or (after.name == "LOAD_CONST" and after.value is None))
            for op, after in zip(ops[:i], ops[1:i], strict=False)
        )

    @staticmethod
    def _starts_anew(ops: Sequence[Op], i: int) -> bool:
        """Whether the name is given an empty or a filtered container: in the statement, nothing is put into it."""
        statement = [op for op in ops if op.line == ops[i].line]
        builds = any(
            (op.name in ("BUILD_LIST", "BUILD_MAP", "BUILD_SET") and op.value == 0)
            or (op.name.startswith("LOAD_") and not EMPTY.isdisjoint(op.names))
            or op.name in ("BUILD_SLICE", "BINARY_SLICE", "LIST_APPEND", "MAP_ADD", "SET_ADD")
            or (isinstance(op.value, types.CodeType) and "comp>" in op.value.co_name)
            for op in statement
        )
        extends = any(op.name.startswith(("LIST_EXTEND", "DICT_UPDATE", "DICT_MERGE", "SET_UPDATE")) for op in statement)
        return builds and not extends


_END = Op("", (), None, 0, False)
_UNKNOWN: Any = object()
