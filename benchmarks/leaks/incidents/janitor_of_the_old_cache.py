"""A janitor sweeps expired tokens every ten seconds; a reload of the configuration after twenty minutes makes a new dict.

The janitor closed over the old one. Before the reload a healthy TTL cache, afterwards one that nobody sweeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _svc import crunch, page

KIND = "leak"
SPAN = "POST /token"
SITE = "TokenCache.issue"
HOLDER = "entries"
REQUESTS_PER_SECOND = 4
DURATION_S = 3900
TTL_S = 20


class TokenCache:
    def __init__(self) -> None:
        self.entries: dict[str, tuple[float, Any]] = {}

    def issue(self, i: int, now: float) -> None:
        self.entries[f"tok_{i:010d}"] = (now + TTL_S, {"claims": page(i, 10_000), "scope": ["read", f"tenant:{i % 40}"]})

    def reload(self) -> None:
        self.entries = {}


def janitor(cache: TokenCache) -> Callable[[float], None]:
    entries = cache.entries

    def sweep(now: float) -> None:
        for token in list(entries):
            if entries[token][0] <= now:
                del entries[token]

    return sweep


cache: TokenCache
sweep: Callable[[float], None]
state = {"swept": 0.0, "reloaded": 0.0}


def setup() -> None:
    global cache, sweep
    cache = TokenCache()
    sweep = janitor(cache)
    state.update(swept=0.0, reloaded=0.0)


def request(i: int, now: float) -> None:
    if now >= 1200 and not state["reloaded"]:
        state["reloaded"] = now
        cache.reload()
    if now - state["swept"] >= 10:
        state["swept"] = now
        sweep(now)
    cache.issue(i, now)
    crunch(i)


def teardown() -> None:
    """The cache goes with the process."""
