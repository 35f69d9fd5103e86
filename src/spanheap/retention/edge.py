"""How one object refers to another: by which attribute, variable or cell."""

from __future__ import annotations

import contextvars
import functools
import gc
import sys
import types
from queue import SimpleQueue
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.retention import owner


class Edge(NamedTuple):
    """One reference. `owner` and `name` are what a programmer wrote; "" where there is nothing of the kind."""

    kind: str          # global, attribute, item, closure, default, generator, …; "reference" when it cannot be told
    owner: str = ""
    name: str = ""


ITEM = Edge("item")

_QUEUE_HAS_LIST = sys.version_info < (3, 13)   # a SimpleQueue kept its items in a list of its own

_TREE = ("hamt", "hamt_bitmap_node", "hamt_array_node", "hamt_collision_node")


def edge(parent: Any, child: Any) -> Edge:
    """How `parent` refers to `child`."""
    if is_context_part(parent):
        return _context_node(parent, child)
    for base, describe in _BY_TYPE:
        if owner.is_a(parent, base):
            found: Edge | None = describe(parent, child)
            if found is not None:
                return found
    if child is type(parent):
        return Edge("class")
    return _attribute(parent, child) or Edge("reference")


def is_transparent(parent: Any, child: Any) -> bool:
    """`child` is a part of `parent` that is not worth a step: what it refers to is looked up as `parent`'s."""
    if is_context_part(child):
        return is_context_part(parent)
    if owner.is_a(parent, SimpleQueue):
        return _QUEUE_HAS_LIST and type(child) is list
    if owner.is_a(parent, owner.GENERATORS):
        return type(child) is types.FrameType   # in 3.10; later the variables are the generator's own
    if not owner.is_a(child, (dict, tuple, set)):
        return False
    if _core.instance_dict(parent) is child or owner.is_a(parent, owner.LruCache):
        return type(child) is dict
    if owner.is_a(parent, type):
        return any(child is d for d in gc.get_referents(owner.raw_namespace(parent)))
    if owner.is_a(parent, types.FunctionType):
        fields = types.FunctionType.__dict__
        return any(fields[f].__get__(parent) is child for f in ("__closure__", "__defaults__", "__kwdefaults__"))
    return owner.is_wrapper(parent) and _core.attribute(parent, "data") is child


def carries_over(o: Any) -> bool:
    """What `o` refers to goes by the name that `o` has: a cell is its variable."""
    return owner.is_a(o, (types.CellType, staticmethod, classmethod, types.TracebackType))


def is_context_part(o: object) -> bool:
    """A context, or a node of its tree. The nodes' types are not exported."""
    return type(o) is contextvars.Context or owner.type_name(type(o)) in _TREE


# ------------------------------------------------------------------ by the type of the one that refers

def _attribute(parent: Any, child: Any) -> Edge | None:
    """An instance's attribute: in its dict, inline, or a slot (also those that C classes declare)."""
    name = _core.attribute_of(parent, child)
    if type(name) is str:
        return Edge("attribute", owner.type_name(type(parent)), name)
    for cls in owner.mro(type(parent)):
        for name, member in owner.namespace(cls).items():
            if type(member) is types.MemberDescriptorType and type(name) is str:
                try:
                    value = member.__get__(parent)
                except (AttributeError, TypeError):
                    continue
                if value is child:
                    return Edge("attribute", owner.type_name(cls), name)
    return None


def _module(parent: Any, child: Any) -> Edge:
    module = owner.module_name(parent)
    name = _core.attribute_of(parent, child)
    if type(name) is str:
        return Edge("global", module, name)
    return Edge("state", module, "registered callback" if module == "atexit" else "module state")


def _class(parent: Any, child: Any) -> Edge | None:
    name = _core.key_of(owner.namespace(parent), child)
    return Edge("attribute", owner.type_name(parent), name) if type(name) is str else None


def _function(parent: Any, child: Any) -> Edge | None:
    fields = types.FunctionType.__dict__
    code, name = fields["__code__"].__get__(parent), owner.function_name(parent)
    for key, cell in zip(code.co_freevars, fields["__closure__"].__get__(parent) or (), strict=False):
        if cell is child:
            return Edge("closure", name, key)
    defaults = fields["__defaults__"].__get__(parent) or ()
    parameters = code.co_varnames[: code.co_argcount][-len(defaults):] if defaults else ()
    for key, value in zip(parameters, defaults, strict=False):
        if value is child:
            return Edge("default", name, key)
    keyword = _core.key_of(fields["__kwdefaults__"].__get__(parent), child)
    if type(keyword) is str:
        return Edge("default", name, keyword)
    if child is fields["__globals__"].__get__(parent):
        return Edge("globals", name)
    attribute = _core.attribute_of(parent, child)
    return Edge("attribute", name, attribute) if type(attribute) is str else None


def _method(parent: Any, child: Any) -> Edge:
    return Edge("bound method", owner.function_name(parent))


_FRAMES = (
    (types.GeneratorType, "generator"), (types.CoroutineType, "coroutine"),
    (types.AsyncGeneratorType, "asynchronous generator"), (types.FrameType, "frame"),
)


def _frame(parent: Any, child: Any) -> Edge | None:
    facts = _core.frame_facts(parent, child)
    if facts is None:
        return None
    code, module, name = facts
    kind = next(kind for cls, kind in _FRAMES if owner.is_a(parent, cls))
    return Edge(kind, owner.code_name(code, module), name if isinstance(name, str) else "")


def _partial(parent: Any, child: Any) -> Edge:
    return Edge("functools.partial", owner.function_name(parent))


def _exception(parent: Any, child: Any) -> Edge | None:
    for name in ("__traceback__", "__context__", "__cause__", "args"):
        if BaseException.__dict__[name].__get__(parent) is child:
            return Edge("attribute", owner.type_name(type(parent)), name)
    return None


def _context_node(parent: Any, child: Any) -> Edge:
    """A node of a context's tree shows, from its end, each value and the variable before it."""
    seen = gc.get_referents(parent)
    for value, key in zip(seen, seen[1:], strict=False):
        if value is child and type(key) is contextvars.ContextVar:
            return Edge("context variable", "", owner.variable_name(key))
    return Edge("reference")


def _context_variable(parent: Any, child: Any) -> Edge:
    return Edge("default of context variable", "", owner.variable_name(parent))


def _item(parent: Any, child: Any) -> Edge | None:
    if child is type(parent):
        return None
    plain = any(type(parent) is cls for cls in (*owner.CONTAINERS, SimpleQueue))   # never ==: a metaclass may have its own
    return ITEM if plain else _attribute(parent, child) or ITEM


def _lru(parent: Any, child: Any) -> Edge:
    return ITEM


_BY_TYPE: tuple[tuple[Any, Any], ...] = (
    (types.ModuleType, _module),
    (type, _class),
    (types.FunctionType, _function),
    (types.MethodType, _method),
    (owner.GENERATORS, _frame),
    (types.FrameType, _frame),
    (functools.partial, _partial),
    (owner.LruCache, _lru),
    (contextvars.ContextVar, _context_variable),
    (owner.CONTAINERS, _item),
    (SimpleQueue, _item),
    (BaseException, _exception),
)
