"""An embedded store: writes go to a memtable, full ones become segments, six segments are merged with the base.

The keys are finite; values of old segments live on through merges or are dropped with their next version.
"""

from __future__ import annotations

from _svc import crunch, page, spread

KIND = "bounded"
SPAN = "PUT /kv"
REQUESTS_PER_SECOND = 5
DURATION_S = 4800


class Store:
    def __init__(self) -> None:
        self.memtable: dict[int, str] = {}
        self.segments: list[dict[int, str]] = []
        self.base: dict[int, str] = {}

    def put(self, key: int, value: str) -> None:
        self.memtable[key] = value
        if len(self.memtable) >= 400:
            self.segments.append(self.memtable)
            self.memtable = {}
            if len(self.segments) >= 6:
                self.compact()

    def compact(self) -> None:
        merged = dict(self.base)
        for segment in self.segments:
            merged.update(segment)
        self.base, self.segments = merged, []


store: Store


def setup() -> None:
    global store
    store = Store()


def request(i: int, now: float) -> None:
    store.put(spread(i) % 4500, page(i, 4000))
    crunch(i)


def teardown() -> None:
    """The store goes with the process."""
