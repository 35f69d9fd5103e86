"""A ContextVar is made within the request and set: the thread's context then keeps the variable and its value for ever.

The manual warns of it ("should be created at top module level"). A slow leak that no Python object leads to.
"""

from __future__ import annotations

import contextvars
from typing import Any

from _svc import crunch, page

KIND = "leak"
SPAN = "GET /profile"
SITE = "bind_state"
HOLDER = None
REQUESTS_PER_SECOND = 4
DURATION_S = 6000


def bind_state(i: int) -> contextvars.ContextVar[dict[str, Any]]:
    state: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar(f"state of request {i}")
    state.set({"request": i, "user": f"u{i % 9973}", "flags": ["a", "b", i % 7], "trail": page(i, 1400)})
    return state


def setup() -> None:
    """Nothing to prepare."""


def request(i: int, now: float) -> None:
    crunch(bind_state(i).get()["request"])


def teardown() -> None:
    """The context goes with the thread."""
