"""Teaching the native core where the current span is kept, and checking that it has understood.

The core reads a thread's context without running Python code (native/python/context.h). Three things it cannot know
by itself: the types of the context's tree nodes, OpenTelemetry's ContextVar, and the SDK function in which spans are
made. They are found here, and what the core then reads is compared with the public API before it is relied on.
"""

from __future__ import annotations

import contextvars
import functools
import gc
import logging
from typing import Any

from spanheap import _core
from spanheap.spans import sdk

logger = logging.getLogger("spanheap")

_NODE_TYPES = ("hamt_bitmap_node", "hamt_array_node", "hamt_collision_node")
_ABSENT = object()
# More than 16 entries in one node make it an array node; 64 variables with natural hashes always have such a node.
_MANY = 64


def _tree(context: contextvars.Context) -> tuple[Any, Any]:
    hamt = next(o for o in gc.get_referents(context) if type(o).__name__ == "hamt")
    return hamt, gc.get_referents(hamt)[0]


def _learn_types() -> None:
    """The node types are not exported: build a tree of each shape and look at it."""
    one, many, colliding = contextvars.Context(), contextvars.Context(), contextvars.Context()
    hamt, bitmap = _tree(one)

    variables: list[contextvars.ContextVar[int]] = [contextvars.ContextVar(f"spanheap_{i}") for i in range(_MANY)]
    many.run(lambda: [v.set(i) for i, v in enumerate(variables)])
    array = _tree(many)[1]

    pair: list[contextvars.ContextVar[int]] = [contextvars.ContextVar(f"spanheap_same_{i}") for i in range(2)]
    for variable in pair:
        _core.force_hash(variable, 12345)
    colliding.run(lambda: [v.set(i) for i, v in enumerate(pair)])
    collision = next(o for o in gc.get_referents(_tree(colliding)[1]) if type(o).__name__ == _NODE_TYPES[2])

    for node, name in zip((bitmap, array, collision), _NODE_TYPES, strict=True):
        if type(node).__name__ != name:
            raise LookupError(f"expected a {name}, found a {type(node).__name__}")
    _core.set_context_types(type(hamt), type(bitmap), type(array), type(collision))


def _walk_agrees(mode: int) -> bool:
    """The core's walk finds what Context.get finds: absent, alone, among many, with equal hashes, after a reset."""

    def agree(variables: list[contextvars.ContextVar[object]]) -> bool:
        context = contextvars.copy_context()
        return all(_core.walk_context(v, mode, _ABSENT) is context.get(v, _ABSENT) for v in variables)

    def check() -> bool:
        variables: list[contextvars.ContextVar[object]] = [contextvars.ContextVar(f"s{i}") for i in range(_MANY)]
        for variable in variables[:4]:
            _core.force_hash(variable, 777)
        ok = agree(variables)
        tokens = []
        for variable in variables:
            tokens.append((variable, variable.set(object())))
            ok = ok and agree(variables[: len(tokens) + 1])
        for variable, token in tokens[::2]:
            variable.reset(token)
            ok = ok and agree(variables)
        return ok

    return contextvars.Context().run(check)


def _walk_mode() -> int:
    _learn_types()
    for mode in (_core.ATTRIBUTION_NODES, _core.ATTRIBUTION_TRAVERSE):
        if _walk_agrees(mode):
            return mode
    raise LookupError("the walk through the context disagrees with ContextVar.get")


@functools.cache
def bind() -> bool:
    """Bind the core to OpenTelemetry's context, once a process. Whether spans can be read; if not, the log says why."""
    from opentelemetry import trace

    _core.bind_error_code(trace.StatusCode.ERROR)
    try:
        _core.bind_context(sdk.runtime_context_variable(), sdk.span_key(), trace.NonRecordingSpan, trace.INVALID_SPAN)
        _core.set_attribution(_walk_mode())
        return True
    except (AttributeError, LookupError, TypeError, StopIteration) as error:
        _core.set_attribution(_core.ATTRIBUTION_OFF)
        logger.warning(
            "spanheap cannot read the current span here, so memory is reported by call site only (%s). "
            "Known cause: OTEL_PYTHON_CONTEXT names a context that does not use contextvars.",
            error,
        )
        return False


def mark_start_span() -> bool:
    """Find the SDK's Tracer.start_span, if the application has imported the SDK. True when it is known."""
    code = sdk.start_span_code()
    _core.mark_start_span(code)
    return code is not None
