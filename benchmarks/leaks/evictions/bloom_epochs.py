"""Bloom filters rotate and keep two generations, but each epoch gets a filter of its own under a key with the epoch in
it: the limit is per key, and no key is used long enough to reach it."""

from __future__ import annotations

from _data import blob, churn, mix

KIND = "leak"
SPAN = "ingest.event"
SITE = "_rotate"
HOLDER = "_filters"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

EPOCH_S = 300
BITS = 1 << 20


class RotatingBloom:
    KEEP = 2

    def __init__(self) -> None:
        self._generations: list[bytearray] = []
        self._added = 0
        self._rotate()

    def _rotate(self) -> None:
        self._generations.append(bytearray(BITS // 8))
        if len(self._generations) > self.KEEP:
            del self._generations[0]
        self._added = 0

    def _places(self, item: bytes) -> list[tuple[int, int]]:
        h1, h2 = hash(item), hash(item[::-1])
        return [divmod((h1 + k * h2) % BITS, 8) for k in range(4)]

    def add(self, item: bytes) -> bool:
        """True if it was new."""
        places = self._places(item)
        for bits in self._generations:
            if all(bits[byte] >> bit & 1 for byte, bit in places):
                return False
        newest = self._generations[-1]
        for byte, bit in places:
            newest[byte] |= 1 << bit
        self._added += 1
        if self._added > 50_000:
            self._rotate()
        return True


class Deduplicator:
    def __init__(self) -> None:
        self._filters: dict[str, RotatingBloom] = {}
        self.duplicates = 0

    def seen(self, tenant: str, event: bytes, now: float) -> bool:
        key = f"{tenant}:{int(now // EPOCH_S)}"
        known = self._filters.get(key)
        if known is None:
            known = self._filters[key] = RotatingBloom()
        new = known.add(event)
        self.duplicates += not new
        return not new


dedup: Deduplicator


def setup() -> None:
    global dedup
    dedup = Deduplicator()


def request(i: int, now: float) -> None:
    original = i - 3 if i % 11 == 0 else i
    tenant = f"tenant-{min(mix(original) % 60, mix(original + 7) % 60)}"
    if not dedup.seen(tenant, blob(original, 48), now):
        churn(i)


def teardown() -> None:
    del globals()["dedup"]
