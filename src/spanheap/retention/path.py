"""The way from a root to an object, in words.

A path is told by what programmers gave names to: `app.cache:_spans (dict, 48,213 entries) → ReadableSpan`. It begins at
the last module, or class or function that is found by its name, since nothing before that tells more. Objects between that
have no name of their own (an instance's dict, a cell, the tree of a context) are left out; keys are data and never told.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Sequence
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.retention import edge as edges
from spanheap.retention import owner
from spanheap.retention.edge import Edge

_ROOTS = {
    _core.ROOT_INTERPRETER: "interpreter", _core.ROOT_EXCEPTION: "exception being handled", _core.ROOT_THREAD: "thread",
    _core.ROOT_C: "held by C", _core.ROOT_GARBAGE: "garbage that waits for the collector",
}


class Step(NamedTuple):
    """One object on the way, and how the one before it refers to it."""

    owner: str            # whose attribute, variable, …: `app.Thing`, a module, a function; "" = an item, or a root
    kind: str             # global, attribute, item, closure, default, generator, context variable, held by C, unknown, …
    name: str             # what the owner calls it; "" = nothing
    type: str             # of the object; "" for a root that is no object
    entries: int | None   # for containers
    thread: str = ""      # the name of the thread whose variable, context or thread-local it is
    skipped: int = 0      # objects left out before this one, in a long chain

    def __str__(self) -> str:
        size = "" if self.entries is None else f"{self.entries:,} {'entry' if self.entries == 1 else 'entries'}"
        what = ", ".join(part for part in (self.type, size) if part)
        of_thread = f" of thread {self.thread!r}" if self.thread else ""
        chain = f"… {self.skipped:,} more → " if self.skipped else ""
        return chain + self._told(what, size, of_thread)

    def _told(self, what: str, size: str, of_thread: str) -> str:
        if self.kind == "global":
            return f"{self.owner}:{self.name} ({what})"
        if self.kind == "attribute":
            return f"{self.owner}.{self.name} ({what})"
        if self.kind in ("context variable", "default of context variable"):
            return f"{self.kind} {self.name!r}{of_thread} ({what})"
        if self.kind == "thread-local":
            return f"{self.name}{of_thread} ({what})"
        if self.kind in ("item", "reference", "class"):
            return f"{self.type} ({size})" if size else self.type
        if self.kind in ("lru_cache", "function", "class object"):
            return f"{self.owner} ({', '.join(part for part in (self.kind.removesuffix(' object'), size) if part)})"
        if self.kind == "logger":
            return f"logger {self.name!r}"
        if not self.type:   # a root that is no object
            return f"{self.kind}{of_thread}" + (f" ({self.name})" if self.name else "")
        how = f"{self.kind} {self.name!r}" if self.name else self.kind
        return f"{self.owner} ({how}{of_thread}: {what})" if self.owner else f"{how}{of_thread} ({what})"

    @property
    def shape(self) -> tuple[str, str, str, str]:
        """Equal for steps that differ in their number of entries, thread or key alone."""
        return self.owner, self.kind, self.name, self.type


# References that say whose they are: the step before them need not be told.
_OWNED = frozenset((
    "attribute", "closure", "default", "bound method", "functools.partial", "generator", "coroutine",
    "asynchronous generator", "frame", "globals",
))
_UNNAMED = frozenset(("item", "reference", "class object", "function"))


def told(path: Sequence[Step]) -> str:
    """The path as one line."""
    shown = [
        step for step, following in zip(path, [*path[1:], None], strict=True)
        if following is None or following.kind not in _OWNED or step.kind not in _UNNAMED or step.entries is not None
    ]
    return " → ".join(map(str, shown))


class Root(NamedTuple):
    """Where a walk began, as `_core` says it."""

    kind: int
    what: str
    thread: int
    name: object
    code: object
    module: object


class Namer:
    """Puts the paths of one walk into words."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._modules = modules
        self._threads = {t.ident: t.name for t in threading.enumerate()}

    def path(self, root: Root, objects: Sequence[Any], skipped: Sequence[int]) -> tuple[Step, ...]:
        """The steps of a path. `objects`: from the root's to the one looked for; `skipped`: left out before each."""
        start = self._start(objects)
        steps, pending = self._first(root, objects[start], start)
        holder, thread = objects[start], self._thread(root) if root.kind == _core.ROOT_CONTEXT else ""
        parts = 0   # of the holder, that were passed over
        for i in range(start + 1, len(objects)):
            o, before, last = objects[i], objects[i - 1], i == len(objects) - 1
            if not last and not skipped[i] and self._is_part(holder, before, o, parts):
                if owner.is_a(holder, _LOCAL):
                    thread = self._threads.get(_core.thread_of_local(before, o), "")
                parts += 1
                continue
            parts = 0
            step = pending or self._step(self._edge(holder, before, o, skipped[i]), thread)
            step = step._replace(type=_shown_type(o), entries=owner.entries(o), skipped=step.skipped + skipped[i])
            holder, pending = o, None
            if not last and edges.carries_over(o):
                pending = step
                continue
            if step.kind == "item" and owner.is_a(o, owner.LruCache):
                step = self._known_by_name(o)
            steps.append(step)
            thread = ""
        return tuple(steps) or (Step("", "item", "", _shown_type(objects[-1]), owner.entries(objects[-1])),)

    def _start(self, objects: Sequence[Any]) -> int:
        """The last object that is known by its name alone."""
        for i in range(len(objects) - 1, 0, -1):
            o = objects[i]
            if owner.is_a(o, types.ModuleType) or owner.is_found_by_name(o, self._modules) or owner.logger_name(o):
                return i
        return 0

    def _first(self, root: Root, o: Any, place: int) -> tuple[list[Step], Step | None]:
        """The steps that tell where a path begins, and one that the object after a cell is to be told by."""
        if owner.is_a(o, types.ModuleType):
            return [], None
        if place or owner.is_found_by_name(o, self._modules):
            return [self._known_by_name(o)], None
        item = Step("", "item", "", _shown_type(o), owner.entries(o))
        if root.kind in (_core.ROOT_FRAME, _core.ROOT_CALLER):
            kind = "variable" if root.kind == _core.ROOT_FRAME else "the caller's variable"
            name = root.name if isinstance(root.name, str) else ""
            step = Step(owner.code_name(root.code, root.module), kind, name, item.type, item.entries, self._thread(root))
            return ([], step) if edges.carries_over(o) else ([step], None)
        if root.kind == _core.ROOT_CONTEXT:
            return [], None
        if root.kind in (_core.ROOT_MODULE, _core.ROOT_TASK):
            return [item], None
        thread = self._thread(root) if root.kind in (_core.ROOT_EXCEPTION, _core.ROOT_THREAD) else ""
        return [Step("", _ROOTS[root.kind], root.what, "", None, thread), item], None

    def _thread(self, root: Root) -> str:
        return self._threads.get(root.thread, "") or str(root.thread)

    @staticmethod
    def _known_by_name(o: Any) -> Step:
        logger = owner.logger_name(o)
        if logger:
            return Step("", "logger", logger, "", None)
        kind = "class object" if owner.is_a(o, type) else "lru_cache" if owner.is_a(o, owner.LruCache) else "function"
        return Step(owner.function_name(o), kind, "", _shown_type(o), owner.entries(o))

    @staticmethod
    def _is_part(holder: Any, before: Any, o: Any, parts: int) -> bool:
        """`o` is passed over. `before` is the holder, or a part of it: of most only the first is none of the user's."""
        if owner.is_a(holder, _LOCAL):   # a dict of all threads, then that of one
            return type(o) is dict and parts < 2
        if parts and not edges.is_context_part(before) and _core.instance_dict(holder) is not before:
            return False
        return edges.is_transparent(holder, o)

    @staticmethod
    def _edge(holder: Any, before: Any, o: Any, skipped: int) -> Edge:
        if skipped:
            return Edge("reference")
        if owner.is_a(holder, _LOCAL):
            name = _core.key_of(before, o)
            return Edge("thread-local", "", name if type(name) is str else "?")
        if edges.is_context_part(before):
            return edges.edge(before, o)
        found = edges.edge(holder, o)
        return edges.ITEM if found.kind == "reference" and owner.is_wrapper(holder) else found

    @staticmethod
    def _step(edge: Edge, thread: str) -> Step:
        return Step(edge.owner, edge.kind, edge.name, "", None, thread)


_LOCAL = threading.local.__mro__[-2]   # the one in C


def _shown_type(o: Any) -> str:
    return owner.short_type_name(type(o))
