"""Containers of each kind, and the code that does or does not take from them."""

from __future__ import annotations

import asyncio
import functools
import queue
from collections import OrderedDict, deque
from typing import Any


class Thing:
    """What is kept."""


plain: dict[int, Thing] = {}
released: dict[int, Thing] = {}
swept: dict[int, Thing] = {}
ordered: OrderedDict[int, Thing] = OrderedDict()
ring: deque[Thing] = deque(maxlen=100)
endless: deque[Thing] = deque()
jobs: queue.Queue[Thing] = queue.Queue()
audit = bytearray(b"one line")
truncated = bytearray(b"one line")
arrays: list[Any] = []
tokens: list[Any] = []
many = Thing()
by_user: dict[int, list[Thing]] = {}
windows: dict[int, deque[Thing]] = {}


def release(i: int) -> None:
    del released[i]


def sweep() -> None:
    for i in list(swept):
        del swept[i]


def truncate() -> None:
    if len(truncated) > 1000:
        truncated.clear()


def trim() -> None:
    while len(ordered) > 10:
        ordered.popitem(last=False)


class Shelf:
    """Has things."""

    def __init__(self) -> None:
        self.things: list[Thing] = []


class Amount:
    """A descriptor that keeps what is assigned by whom it is assigned to."""

    def __init__(self) -> None:
        self.amounts: dict[Any, int] = {}

    def __get__(self, bill: Any, cls: Any = None) -> Any:
        return self if bill is None else self.amounts[bill]

    def __set__(self, bill: Any, amount: int) -> None:
        self.amounts[bill] = amount


class Bill:
    """Has a total, which changes."""

    total = Amount()

    def __init__(self, amount: int) -> None:
        self.total = amount

    def pay(self, amount: int) -> None:
        self.total = self.total - amount


deep: dict[str, Shelf] = {"only": Shelf()}
shelves = [Shelf(), Shelf()]


def teardown() -> None:
    plain.clear()
    endless.clear()
    by_user.clear()
    windows.clear()
    Bill.total.amounts.clear()
    deep.clear()
    deep["only"] = Shelf()
    tokens.clear()
    hosts.clear()
    many.__dict__.clear()


class Link:
    """One of a chain."""

    def __init__(self, before: Link | None) -> None:
        self.thing, self.before = Thing(), before


class Page:
    """With a maximum, for each host."""

    def __init__(self) -> None:
        self.entries: OrderedDict[int, Thing] = OrderedDict()

    def put(self, i: int, thing: Thing) -> None:
        self.entries[i] = thing
        if len(self.entries) > 30:
            self.entries.popitem(last=False)


class Generation:
    """Nothing is taken from it, but it is let go of."""

    def __init__(self) -> None:
        self.rows: dict[int, Thing] = {}


class Generations:
    """The current one, and the one before."""

    def __init__(self) -> None:
        self.current = Generation()

    def rotate(self) -> None:
        self.current = Generation()


class Registry:
    """With a list of things, from which nothing is taken."""

    def __init__(self) -> None:
        self.things: list[Thing] = []


class Cache:
    """With a maximum."""

    def __init__(self) -> None:
        self.maxsize = 1000
        self.things: dict[int, Thing] = {}


registry, cache = Registry(), Cache()
generations = Generations()
hosts: dict[int, Page] = {}
behind: Any = None
last_links: deque[Link] = deque(maxlen=9)
statements: OrderedDict[str, dict[int, Thing]] = OrderedDict()


def statement(table: str, i: int, thing: Thing) -> None:
    if len(statements) > 20:
        statements.popitem()
    statements.setdefault(table, {})[i] = thing


@functools.lru_cache(maxsize=None)  # noqa: UP033 - what is meant
def unbounded(i: int) -> Thing:
    return Thing()


@functools.lru_cache(maxsize=1000)
def bounded(i: int) -> Thing:
    return Thing()


def fill(case: str) -> list[Thing]:
    """Put 50 things there; returns them."""
    things = [Thing() for _ in range(50)]
    stores: dict[str, Any] = {
        "plain": plain.__setitem__, "released": released.__setitem__, "swept": swept.__setitem__,
        "ordered": ordered.__setitem__, "ring": lambda i, t: ring.append(t), "endless": lambda i, t: endless.append(t),
        "queue": lambda i, t: jobs.put(t), "attribute": lambda i, t: registry.things.append(t),
        "generations": generations.current.rows.__setitem__, "tables": lambda i, t: statement("orders", i, t),
        "hosts": lambda i, t: hosts.setdefault(i // 6, Page()).put(i, t),
        "maxsize": cache.things.__setitem__, "nested": lambda i, t: by_user.setdefault(i % 10, []).append(t),
    }
    if case in ("unbounded", "bounded"):
        return [globals()[case](i) for i in range(50)]
    for i, thing in enumerate(things):
        stores[case](i, thing)
    return things


async def wait(future: asyncio.Future[None], thing: Thing) -> None:
    """A task that has a thing for as long as it waits."""
    await future
    del thing
