"""Expired sessions leave the store, but not the index by device fingerprint that "log out everywhere" needs; seen with
home-grown session backends."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from _kit import answer, chance, mixed, order_json, text

KIND = "leak"
SPAN = "GET /shop"
SITE = "SessionStore.create"
HOLDER = "_by_device"
REQUESTS_PER_SECOND = 12
DURATION_S = 4200

TTL_S = 300.0


class Session:
    __slots__ = ("data", "device", "expires", "token")

    def __init__(self, token: str, device: str, data: dict[str, Any], expires: float) -> None:
        self.token = token
        self.device = device
        self.data = data
        self.expires = expires


class SessionStore:
    """Sessions in memory, with a fixed lifetime."""

    def __init__(self) -> None:
        self._by_token: dict[str, Session] = {}
        self._by_device: dict[str, list[Session]] = {}
        self._expiries: deque[tuple[float, str]] = deque()

    def create(self, i: int, device: str, now: float) -> Session:
        data = json.loads(order_json(i, 12))
        data["csrf"] = text(i, 128)
        session = Session(f"sess-{i:x}-{mixed(i):08x}", device, data, now + TTL_S)
        self._by_token[session.token] = session
        self._by_device.setdefault(device, []).append(session)
        self._expiries.append((session.expires, session.token))
        return session

    def get(self, token: str) -> Session | None:
        return self._by_token.get(token)

    def logout(self, session: Session) -> None:
        self._by_token.pop(session.token, None)
        others = self._by_device.get(session.device, [])
        if session in others:
            others.remove(session)
        if not others:
            self._by_device.pop(session.device, None)

    def sweep(self, now: float) -> int:
        swept = 0
        while self._expiries and self._expiries[0][0] <= now:
            _, token = self._expiries.popleft()
            swept += self._by_token.pop(token, None) is not None
        return swept


class SessionMiddleware:
    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self._known: deque[str] = deque(maxlen=200)

    def __call__(self, i: int, now: float) -> Session:
        session = None
        if self._known and not chance(i, 1, 0.3):
            session = self.store.get(self._known[mixed(i, 2) % len(self._known)])
        if session is None:
            session = self.store.create(i, f"fp-{mixed(i, 3):08x}-{i % 9}", now)
            self._known.append(session.token)
        return session


sessions: SessionMiddleware


def setup() -> None:
    global sessions
    sessions = SessionMiddleware(SessionStore())


def request(i: int, now: float) -> None:
    session = sessions(i, now)
    session.data["seen"] = now
    answer(i)
    if chance(i, 4, 0.02):
        sessions.store.logout(session)
    if i % 50 == 0:
        sessions.store.sweep(now)


def teardown() -> None:
    pass
