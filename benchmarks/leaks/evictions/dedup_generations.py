"""Two generations of message ids and their receipts: the older goes when the younger is twenty minutes old, by a sweep
that comes only every seventh minute. Class and names as of a deduplicator that leaks; this one does not."""

from __future__ import annotations

from _data import churn, mix, text

KIND = "bounded"
SPAN = "consumer.receive"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 4
DURATION_S = 5400


class Generation:
    def __init__(self, born: float) -> None:
        self.born = born
        self.ids: set[str] = set()
        self.receipts: dict[str, str] = {}

    def add(self, message_id: str, receipt: str) -> None:
        self.ids.add(message_id)
        self.receipts[message_id] = receipt


class Deduplicator:
    AGE_S = 1200.0
    SWEEP_S = 420.0

    def __init__(self) -> None:
        self._filters: list[Generation] = [Generation(0.0)]
        self._next_sweep = self.SWEEP_S
        self.duplicates = 0

    def receipt(self, message_id: str) -> str | None:
        for generation in reversed(self._filters):
            if message_id in generation.ids:
                return generation.receipts[message_id]
        return None

    def receive(self, message_id: str, sender: int, now: float) -> str:
        known = self.receipt(message_id)
        if known is not None:
            self.duplicates += 1
            return known
        answer = text(sender, 4200)
        self._filters[-1].add(message_id, answer)
        self._sweep(now)
        return answer

    def _sweep(self, now: float) -> None:
        if now < self._next_sweep:
            return
        self._next_sweep += self.SWEEP_S
        if now - self._filters[-1].born >= self.AGE_S:
            self._filters.append(Generation(now))
        while len(self._filters) > 2:
            del self._filters[0]


dedup: Deduplicator


def setup() -> None:
    global dedup
    dedup = Deduplicator()


def request(i: int, now: float) -> None:
    original = i - mix(i) % 40 if i % 10 == 0 and i > 40 else i
    dedup.receive(f"m-{mix(original):08x}-{original}", original, now)
    churn(i)


def teardown() -> None:
    del globals()["dedup"]
