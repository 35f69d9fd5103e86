"""The settings, catalogue and permissions of a tenant are loaded at its first request and kept: fast growth at first,
ever slower as the 2200 tenants have all been seen."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from _kit import answer, chance, mixed, order_json

KIND = "bounded"
SPAN = "GET /t/{tenant}/dashboard"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 6
DURATION_S = 4800

TENANTS = 2200


class TenantState:
    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = asyncio.Lock()
        self.settings: dict[str, Any] | None = None
        self.permissions: dict[str, frozenset[str]] = {}


class TenantRegistry:
    """One state for each tenant of the installation; tenants are created by contract, not by traffic."""

    def __init__(self) -> None:
        self._states: dict[str, TenantState] = {}

    async def get(self, name: str, number: int) -> TenantState:
        state = self._states.get(name)
        if state is None:
            state = self._states[name] = TenantState(name)
        if state.settings is None:
            async with state.lock:
                if state.settings is None:   # nobody else did while we waited
                    await asyncio.sleep(0.03)
                    await self._load(state, number)
        return state

    async def _load(self, state: TenantState, number: int) -> None:
        settings = json.loads(order_json(number, 40))
        for role in ("owner", "editor", "viewer"):
            allowed = [line["sku"] for line in settings["lines"] if chance(number, len(role), 0.7)]
            state.permissions[role] = frozenset(allowed)
        state.settings = settings


registry: TenantRegistry


def setup() -> None:
    global registry
    registry = TenantRegistry()


async def request(i: int, now: float) -> None:
    number = mixed(i, 1) % 200 if chance(i, 2, 0.3) else mixed(i, 3) % TENANTS
    state = await registry.get(f"tenant-{number}", number)
    answer(i)
    await asyncio.sleep(0.005)
    assert state.settings is not None


def teardown() -> None:
    pass
