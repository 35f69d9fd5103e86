"""What classes, functions and containers are called, read without running code of theirs.

Objects here belong to the application: their `__getattr__`, `__eq__`, `__len__` and properties must not run, so
everything is read through the descriptors of the built-in types. Names of classes, functions, variables and attributes
are told; keys, values and reprs never are.
"""

from __future__ import annotations

import collections
import contextvars
import functools
import sys
import types
from queue import SimpleQueue
from typing import Any

from spanheap import _core

_type_name: Any = type.__dict__["__qualname__"]
_type_module: Any = type.__dict__["__module__"]
_type_mro: Any = type.__dict__["__mro__"]
_type_dict: Any = type.__dict__["__dict__"]

LruCache: Any = type(functools.lru_cache(maxsize=1)(lambda: None))
_cache_info: Any = LruCache.cache_info
GENERATORS = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
CONTAINERS = (dict, list, tuple, set, frozenset, collections.deque)

# Python classes whose contents lie in an attribute: they are shown as the container they are.
_WRAPPERS = {
    "weakref.WeakKeyDictionary", "weakref.WeakValueDictionary", "weakref.WeakSet", "_weakrefset.WeakSet",
    "collections.UserDict", "collections.UserList",
}
# The modules whose types go by their name alone.
_PLAIN = ("builtins",)


def mro(cls: type) -> tuple[type, ...]:
    """The classes of a class; () for one that is not ready."""
    found: tuple[type, ...] | None = _type_mro.__get__(cls)
    return found or ()


def namespace(cls: type) -> dict[str, Any]:
    """The attributes of a class itself, as a copy."""
    return dict(_type_dict.__get__(cls))


def raw_namespace(cls: type) -> Any:
    """The same as a mapping proxy, which refers to the dict."""
    return _type_dict.__get__(cls)


def is_a(o: object, cls: Any) -> bool:
    """isinstance() by the type alone: `__class__` may be a property. `cls`: of plain metaclass, whose check is C's own."""
    return issubclass(type(o), cls)


def type_name(cls: type) -> str:
    """`module.Class`, or `dict` where the module says nothing."""
    module = _text(_type_module.__get__(cls))
    name = _text(_type_name.__get__(cls)) or "?"
    return name if not module or module in _PLAIN else f"{module}.{name}"


def short_type_name(cls: type) -> str:
    return _text(_type_name.__get__(cls)) or "?"


def function_name(function: Any) -> str:
    """`module.qualname` of a function, of whatever kind of callable this is, else its type's name."""
    if is_a(function, types.FunctionType):
        module = _text(_core.value_of(types.FunctionType.__dict__["__globals__"].__get__(function), "__name__")) or "?"
        return f"{module}.{types.FunctionType.__dict__['__qualname__'].__get__(function)}"
    if is_a(function, types.MethodType):
        return function_name(types.MethodType.__dict__["__func__"].__get__(function))
    if is_a(function, types.BuiltinFunctionType):
        return str(types.BuiltinFunctionType.__dict__["__qualname__"].__get__(function))
    if is_a(function, LruCache):
        wrapped = _core.attribute(function, "__wrapped__")
        return function_name(wrapped) if wrapped is not None else "lru_cache"
    if is_a(function, functools.partial):
        return function_name(functools.partial.__dict__["func"].__get__(function))
    if is_a(function, type):
        return type_name(function)
    return type_name(type(function))


def module_name(module: Any) -> str:
    return _text(_core.attribute(module, "__name__")) or "?"


def is_found_by_name(o: Any, modules: dict[str, Any]) -> bool:
    """This class or function is what its module has under its name: nothing that leads to it tells more than that."""
    if is_a(o, type):
        module, name = _text(_type_module.__get__(o)), _text(_type_name.__get__(o))
    else:
        function = _core.attribute(o, "__wrapped__") if is_a(o, LruCache) else o
        if not is_a(function, types.FunctionType):
            return False
        fields = types.FunctionType.__dict__
        module = _text(_core.value_of(fields["__globals__"].__get__(function), "__name__"))
        name = _text(fields["__qualname__"].__get__(function))
    if not module or not name:
        return False
    place: Any = modules.get(module)
    for part in name.split("."):
        if is_a(place, types.ModuleType):
            place = _core.attribute(place, part)
        elif is_a(place, type):
            place = namespace(place).get(part)
        else:
            return False
    if is_a(place, (staticmethod, classmethod)):
        place = type(place).__func__.__get__(place)
    return place is o


def code_name(code: Any, module: object) -> str:
    """`module.qualname`; without the class's name before 3.11."""
    name = getattr(code, "co_qualname", None) or code.co_name
    return f"{module}.{name}" if isinstance(module, str) and module != "" else str(name)


def is_wrapper(o: object) -> bool:
    return any(type_name_full(base) in _WRAPPERS for base in mro(type(o)))


def type_name_full(cls: type) -> str:
    return f"{_text(_type_module.__get__(cls))}.{_text(_type_name.__get__(cls))}"


def logger_name(o: Any) -> str | None:
    """Of a logging.Logger, which goes by a name that a programmer gave it; None for anything else."""
    logging = sys.modules.get("logging")
    if logging is None or not is_a(o, logging.Logger):
        return None
    return _text(_core.attribute(o, "name"))


def entries(o: object) -> int | None:
    """How many things are in this container; None for what is none."""
    for cls in CONTAINERS:
        if is_a(o, cls):
            return int(cls.__len__(o))  # type: ignore[arg-type]
    if is_a(o, LruCache):
        return int(_cache_info(o).currsize)
    if is_a(o, SimpleQueue):
        return int(SimpleQueue.qsize(o))  # type: ignore[arg-type]
    if is_wrapper(o):
        data = _core.attribute(o, "data")
        return entries(data) if data is not None else None
    return None


def variable_name(variable: Any) -> str:
    """Of a ContextVar."""
    return _text(contextvars.ContextVar.__dict__["name"].__get__(variable)) or "?"


def _text(value: object) -> str | None:
    return value if type(value) is str else None
