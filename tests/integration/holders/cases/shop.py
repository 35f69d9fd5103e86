"""An application that keeps objects in every way there is: each function keeps one `Kept` and returns it.

The test loads this file as the module `shop`. A function's second result, if it has one, ends what it began.
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import contextvars
import ctypes
import functools
import gc
import logging
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

Finish = Callable[[], object]


class Kept:
    """What is kept; it refers to nothing."""

    __slots__ = ("__weakref__",)


class Shop:
    """An ordinary class: its instances have a dict, or inline values."""

    registry: ClassVar[list[Kept]] = []

    def __init__(self) -> None:
        self.number = 1
        self.items: list[Kept] = []

    def on_order(self) -> None:
        """Be a listener."""


class Slotted:
    """A class without instance dicts."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Kept] = []


class Node:
    """Of a linked list."""

    def __init__(self, next_node: object) -> None:
        self.next = next_node


class Basket(dict[str, Kept]):
    """A dict with attributes."""

    extra: object = None


orders: dict[str, Kept] = {}
pending: list[Kept] = []
seen: set[Kept] = set()
shop = Shop()
opened = Shop()
opened.__dict__   # noqa: B018 - from now on its attributes are in a dict
slotted = Slotted()
basket = Basket()
listeners: list[Callable[[], object]] = []
callbacks: list[Callable[[], object]] = []
by_owner: weakref.WeakKeyDictionary[Shop, Kept] = weakref.WeakKeyDictionary()
recent: collections.deque[Kept] = collections.deque(maxlen=100)
ordered: collections.OrderedDict[str, Kept] = collections.OrderedDict()
grouped: collections.defaultdict[str, list[Kept]] = collections.defaultdict(list)
failures: list[BaseException] = []
contexts: list[contextvars.Context] = []
tokens: list[contextvars.Token[Any]] = []
generators: list[Iterator[None]] = []
jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
waiting: queue.Queue[Kept] = queue.Queue()
local = threading.local()
request_items: contextvars.ContextVar[list[Kept]] = contextvars.ContextVar("request_items")
fallback: contextvars.ContextVar[list[Kept]] = contextvars.ContextVar("fallback", default=[])  # noqa: B039 - the bug
head: Node | None = None


def in_module_dict() -> Kept:
    """Ended spans in a map."""
    orders["GET /secret?token=1"] = kept = Kept()
    return kept


def in_module_list() -> Kept:
    """A list that only grows."""
    pending.append(kept := Kept())
    return kept


def in_module_set() -> Kept:
    """Sets are walked like lists."""
    seen.add(kept := Kept())
    return kept


def in_class_attribute() -> Kept:
    """A registry."""
    Shop.registry.append(kept := Kept())
    return kept


def in_instance_attribute() -> Kept:
    """Inline values, from 3.11 on."""
    shop.items.append(kept := Kept())
    return kept


def in_instance_dict() -> Kept:
    """An instance whose dict was asked for."""
    opened.items.append(kept := Kept())
    return kept


def in_slot() -> Kept:
    """`__slots__`."""
    slotted.items.append(kept := Kept())
    return kept


def in_attribute_of_dict_subclass() -> Kept:
    """A dict that has attributes as well."""
    basket.extra = kept = Kept()
    return kept


def _make_handler() -> Callable[[], list[Kept]]:
    box: list[Kept] = []

    def handler() -> list[Kept]:
        return box

    return handler


handle = _make_handler()


def in_closure() -> Kept:
    """A variable of a function that has returned."""
    handle().append(kept := Kept())
    return kept


def _with_default(kept: Kept | None = None, into: list[Kept] = []) -> None:  # noqa: B006 - that is the bug
    if kept is not None:
        into.append(kept)


def in_default() -> Kept:
    """The mutable default."""
    _with_default(kept := Kept())
    return kept


def _with_keyword_default(kept: Kept | None = None, *, into: list[Kept] = []) -> None:  # noqa: B006
    if kept is not None:
        into.append(kept)


def in_keyword_default() -> Kept:
    """The mutable default of a keyword."""
    _with_keyword_default(kept := Kept())
    return kept


@functools.lru_cache(maxsize=None)  # noqa: UP033
def load(number: int) -> Kept:
    """Load something, once."""
    return Kept()


def in_lru_cache() -> Kept:
    """A cached result."""
    load.cache_clear()
    return load(1)


class Cart(Kept):
    """Cached methods keep every instance."""

    @functools.lru_cache(maxsize=None)  # noqa: B019, UP033
    def total(self) -> int:
        """Compute the total."""
        return 1


def in_lru_cache_of_method() -> Kept:
    """`self` is part of the key."""
    cart = Cart()
    cart.total()
    return cart


class Listener(Kept):
    """Listens."""

    __slots__ = ()

    def on_order(self) -> None:
        """Be called."""


def in_bound_method() -> Kept:
    """A listener for each request."""
    listener = Listener()
    listeners.append(listener.on_order)
    return listener


def _on_done(kept: Kept) -> None:
    """Be called with an argument."""


def in_partial() -> Kept:
    """A callback with its argument."""
    kept = Kept()
    callbacks.append(functools.partial(_on_done, kept))
    return kept


def in_weak_key_dictionary() -> Kept:
    """Keyed by something that lives on."""
    by_owner[shop] = kept = Kept()
    return kept


def in_deque() -> Kept:
    """A full deque is no leak, and still the holder."""
    recent.append(kept := Kept())
    return kept


def in_ordered_dict() -> Kept:
    """A home-made LRU."""
    ordered["a"] = kept = Kept()
    return kept


def in_default_dict() -> Kept:
    """Lists by key."""
    grouped["tenant-17"].append(kept := Kept())
    return kept


def in_traceback() -> Kept:
    """An exception that was kept has the variables of the functions it went through."""
    made: list[weakref.ref[Kept]] = []

    def fail() -> None:
        big = Kept()
        made.append(weakref.ref(big))
        raise LookupError

    try:
        fail()
    except LookupError as error:
        failures.append(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
    found = made[0]()
    assert found is not None
    return found


class Recorder(logging.Handler):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Kept] = []


def in_logging_handler() -> tuple[Kept, Finish]:
    """A handler of a test, left behind."""
    recorder = Recorder()
    recorder.records.append(kept := Kept())
    log = logging.getLogger("shop")
    log.addHandler(recorder)
    return kept, lambda: log.handlers.clear()


def in_atexit() -> tuple[Kept, Finish]:
    """Registered for the end of the process."""
    kept = Kept()
    atexit.register(_on_done, kept)
    return kept, lambda: atexit.unregister(_on_done)


def in_finalizer() -> Kept:
    """An argument of weakref.finalize."""
    kept = Kept()
    weakref.finalize(shop, _on_done, kept).atexit = False
    return kept


def in_generator() -> Kept:
    """A generator that nobody finishes."""
    kept = Kept()

    def rows(batch: list[Kept]) -> Iterator[None]:
        yield

    generator = rows([kept])
    next(generator)
    generators.append(generator)
    return kept


def in_current_context() -> tuple[Kept, Finish]:
    """Set in the context of a thread that lives on."""
    go, done = threading.Event(), threading.Event()
    made: list[Kept] = []

    def work(keep: list[Kept]) -> None:
        request_items.set(keep[:])
        keep.clear()
        done.set()
        go.wait(60)

    made.append(kept := Kept())
    thread = threading.Thread(target=work, args=(made,), name="worker")
    thread.start()
    done.wait(60)
    return kept, lambda: (go.set(), thread.join())


def in_kept_context() -> Kept:
    """A context that was copied for a callback."""
    context = contextvars.Context()
    kept = Kept()
    context.run(request_items.set, [kept])
    contexts.append(context)
    return kept


def in_context_default() -> Kept:
    """The default is one object for all."""
    fallback.get().append(kept := Kept())
    return kept


def in_token() -> Kept:
    """A token that was never used knows the value before."""
    kept = Kept()
    context = contextvars.Context()
    context.run(request_items.set, [kept])
    tokens.append(context.run(request_items.set, []))
    return kept


def in_thread_local() -> tuple[Kept, Finish]:
    """On a thread that lives on."""
    go, done = threading.Event(), threading.Event()
    made: list[Kept] = []

    def work(keep: list[Kept]) -> None:
        local.items = keep[:]
        keep.clear()
        done.set()
        go.wait(60)

    made.append(kept := Kept())
    thread = threading.Thread(target=work, args=(made,), name="worker")
    thread.start()
    done.wait(60)
    return kept, lambda: (go.set(), thread.join())


def in_thread_variable() -> tuple[Kept, Finish]:
    """A variable of a function that runs on."""
    go, done = threading.Event(), threading.Event()
    made: list[Kept] = []

    def serve(keep: list[Kept]) -> None:
        batch = keep[:]
        keep.clear()
        done.set()
        go.wait(60)
        del batch

    made.append(kept := Kept())
    thread = threading.Thread(target=serve, args=(made,), name="worker")
    thread.start()
    done.wait(60)
    return kept, lambda: (go.set(), thread.join())


def in_evaluation_stack() -> tuple[Kept, Finish]:
    """The list that a loop goes through has no name."""
    go, done = threading.Event(), threading.Event()
    made: list[Kept] = []

    def serve(keep: list[Kept]) -> None:
        for _ in [None, *keep]:
            keep.clear()
            done.set()
            go.wait(60)

    made.append(kept := Kept())
    thread = threading.Thread(target=serve, args=(made,), name="worker")
    thread.start()
    done.wait(60)
    return kept, lambda: (go.set(), thread.join())


def _loop_with(main: Callable[[Kept], Any], kept: Kept) -> Finish:
    """Run an event loop in a thread, with one task that waits for ever."""
    ready = threading.Event()
    parts: list[Any] = [kept]

    async def run() -> None:
        task = asyncio.ensure_future(main(parts.pop()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        end = asyncio.Event()
        parts.append((asyncio.get_running_loop(), end))
        del task   # it lives on: a set of the loop's is weak, what it waits for is not
        ready.set()
        await end.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="loop")
    thread.start()
    ready.wait(60)

    def finish() -> None:
        loop, end = parts.pop()
        loop.call_soon_threadsafe(end.set)
        thread.join()

    return finish


never: list[Any] = []


async def worker(kept: Kept) -> None:
    """Wait for what never comes."""
    batch = [kept]
    del kept
    future = asyncio.get_running_loop().create_future()
    await future
    del batch


async def outer(kept: Kept) -> None:
    """Wait for somebody who waits."""
    inner = worker(kept)
    del kept
    await inner


def in_task() -> tuple[Kept, Finish]:
    """A task that waits for ever."""
    kept = Kept()
    return kept, _loop_with(worker, kept)


def in_awaited_coroutine() -> tuple[Kept, Finish]:
    """What a task awaits."""
    kept = Kept()
    return kept, _loop_with(outer, kept)


def in_queue() -> Kept:
    """Work that nobody fetches."""
    waiting.put(kept := Kept())
    return kept


def in_simple_queue() -> Kept:
    """A queue in C."""
    jobs.put([kept := Kept()])
    return kept


def in_linked_list() -> Kept:
    """Ten thousand nodes deep."""
    global head
    kept = Kept()
    node = Node(kept)
    for _ in range(10_000):
        node = Node(node)
    head = node
    return kept


class Cycle(Kept):
    """Refers to itself."""

    __slots__ = ("me",)


def in_garbage() -> Kept:
    """Held by nothing but itself, while the collector is off."""
    cycle = Cycle()
    cycle.me = cycle  # type: ignore[attr-defined]
    return cycle


def in_c() -> tuple[Kept, Finish]:
    """A reference that an extension forgot to give back."""
    kept = Kept()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    found = weakref.ref(kept)
    return kept, lambda: ctypes.pythonapi.Py_DecRef(ctypes.py_object(found()))


def in_list_held_by_c() -> tuple[Kept, Finish]:
    """A container that an extension holds."""
    box = [kept := Kept()]
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(box))
    address = id(box)
    return kept, lambda: ctypes.pythonapi.Py_DecRef(ctypes.cast(address, ctypes.py_object))


def in_object_array() -> Kept:
    """A numpy array of objects does not tell the collector what it holds."""
    import numpy as np

    global array
    array = np.empty(1, dtype=object)
    array[0] = kept = Kept()
    return kept


array: Any = None


def clear() -> None:
    """Forget everything."""
    global head, array
    head = array = None
    for container in (
        orders, pending, seen, Shop.registry, shop.items, opened.items, slotted.items, handle(), listeners, callbacks,
        by_owner, recent, ordered, grouped, failures, contexts, tokens, generators, fallback.get(),
    ):
        container.clear()  # type: ignore[attr-defined]
    basket.extra = None
    load.cache_clear()
    Cart.total.cache_clear()
    while not jobs.empty():
        jobs.get()
    while not waiting.empty():
        waiting.get()
    for function in (_with_default, _with_keyword_default):
        defaults = (function.__defaults__ or ()) + tuple((function.__kwdefaults__ or {}).values())
        for value in defaults:
            if isinstance(value, list):
                value.clear()
    gc.collect()
