"""An idempotency store expires responses by the key as the client sent it, and keeps them under the normalised one; the
pop has a default and says nothing."""

from __future__ import annotations

import heapq
import json

from _kit import answer, chance, mixed, order_json

KIND = "leak"
SPAN = "POST /payments"
SITE = "PaymentHandler.charge"
HOLDER = "_responses"
REQUESTS_PER_SECOND = 9
DURATION_S = 3600

KEEP_S = 600.0


class IdempotencyStore:
    """Remembers the response to each Idempotency-Key for ten minutes."""

    def __init__(self) -> None:
        self._responses: dict[str, bytes] = {}
        self._in_flight: set[str] = set()
        self._expiry: list[tuple[float, str, str]] = []

    @staticmethod
    def _normalise(tenant: str, key: str) -> str:
        return f"{tenant}/{key.strip().lower()}"

    def begin(self, tenant: str, key: str) -> bytes | None:
        name = self._normalise(tenant, key)
        if name in self._in_flight:
            raise RuntimeError("409: still in flight")
        known = self._responses.get(name)
        if known is None:
            self._in_flight.add(name)
        return known

    def finish(self, tenant: str, key: str, response: bytes, now: float) -> None:
        name = self._normalise(tenant, key)
        self._in_flight.discard(name)
        self._responses[name] = response
        heapq.heappush(self._expiry, (now + KEEP_S, tenant, key))

    def expire(self, now: float) -> None:
        while self._expiry and self._expiry[0][0] < now:
            _, tenant, key = heapq.heappop(self._expiry)
            self._responses.pop(f"{tenant}/{key}", None)


class PaymentHandler:
    def __init__(self) -> None:
        self.idempotency = IdempotencyStore()

    def charge(self, i: int) -> bytes:
        order = json.loads(order_json(i, 16))
        total = sum(line["cents"] * line["quantity"] for line in order["lines"])
        return json.dumps({"status": "captured", "total": total, "order": order}).encode()

    def handle(self, i: int, now: float) -> bytes:
        original = i - 3 if i > 3 and chance(i, 1, 0.05) else i   # some clients try again
        tenant, key = f"t{original % 40}", f"PAY-{mixed(original):08X}-{original:X}"
        response = self.idempotency.begin(tenant, key)
        if response is None:
            response = self.charge(original)
            self.idempotency.finish(tenant, key, response, now)
        self.idempotency.expire(now)
        return response


handler: PaymentHandler


def setup() -> None:
    global handler
    handler = PaymentHandler()


def request(i: int, now: float) -> None:
    handler.handle(i, now)
    answer(i)


def teardown() -> None:
    pass
