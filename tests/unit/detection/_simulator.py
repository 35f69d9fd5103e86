"""Services that exist as numbers only: births and deaths of sampled blocks, and what the cohort table makes of them.

`Service` draws the samples (Poisson over bytes, so each kind of object yields a Poisson stream of samples), `Cohorts` is the
table of native/src/cohorts.c in plain Python.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from spanheap.detection.series import Aggregate, Group, GroupKey

EPOCHS = 24
INTERVAL = 512 * 1024.0


@dataclass
class Kind:
    """One kind of object: its site, its root, bytes a second at traffic 1, and how long each lives."""

    site: int
    root: int
    bytes_per_s: Callable[[float], float]
    lifetime: Callable[[float, random.Random], float]
    in_span: bool = True


@dataclass
class Row:
    alive: list[int] = field(default_factory=lambda: [0] * EPOCHS)
    lost: list[float] = field(default_factory=lambda: [0.0] * EPOCHS)
    traces: set[int] = field(default_factory=set)
    in_span: bool = True


class Cohorts:
    """Epochs are kept in order here; the native table keeps them in slots."""

    def __init__(self) -> None:
        self.starts = [-1.0]
        self.ended = [0.0]
        self.heap = [0.0]
        self.rows: dict[GroupKey, Row] = {}
        self.at = 0.0

    def update(self, now: float, ended: float, samples: list[tuple[GroupKey, float, bool]]) -> Aggregate:
        """`samples`: (key, birth, made in a span) of those that live."""
        elapsed, self.at = now - self.at, now
        for row in self.rows.values():
            for e, start in enumerate(self.starts):
                row.lost[e] = row.lost[e] * math.exp(-3 * elapsed / (now - start)) + row.alive[e]
                row.alive[e] = 0
            row.traces.clear()
        for key, born, in_span in samples:
            row = self.rows.setdefault(key, Row(in_span=in_span))
            e = len(self.starts) - 1
            while e and born < self.starts[e]:
                e -= 1
            row.alive[e] += 1
            row.traces.add(hash(born) % 64)
        for row in self.rows.values():
            for e in range(len(self.starts)):
                row.lost[e] = max(0.0, row.lost[e] - row.alive[e])
            row.lost[len(self.starts) - 1] = 0.0
        aggregate = self._aggregate(now, ended, INTERVAL * len(samples))
        self._open(now, ended, INTERVAL * len(samples))
        return aggregate

    def _open(self, now: float, ended: float, heap: float) -> None:
        if len(self.starts) == EPOCHS:
            s = self.starts
            e = min(range(1, EPOCHS - 2), key=lambda e: (s[e + 2] - s[e]) / (now - s[e + 1]))
            for row in self.rows.values():
                for values in (row.alive, row.lost):
                    values[e] += values.pop(e + 1)
                    values.append(0)
            for edges in (self.starts, self.ended, self.heap):
                del edges[e + 1]
        self.starts.append(now)
        self.ended.append(ended)
        self.heap.append(heap)

    def _aggregate(self, now: float, ended: float, heap: float) -> Aggregate:
        n = len(self.starts)

        def group(key: GroupKey, rows: list[Row]) -> Group:
            alive = tuple(sum(r.alive[e] for r in rows) for e in range(n))
            return Group(
                key, alive, tuple(sum(r.lost[e] for r in rows) for e in range(n)), tuple(INTERVAL * a for a in alive),
                len(set().union(*(r.traces for r in rows))), all(r.in_span for r in rows),
            )

        def pools(any_of: Callable[[GroupKey], GroupKey]) -> list[Group]:
            members: dict[GroupKey, list[Row]] = {}
            for key, row in self.rows.items():
                members.setdefault(any_of(key), []).append(row)
            return [group(key, rows) for key, rows in members.items() if len(rows) > 1]

        groups = [group(key, [row]) for key, row in self.rows.items()]
        groups.sort(key=lambda g: -sum(g.live_bytes[1:]))
        return Aggregate(
            (*self.starts, now), (*self.ended, ended), (*self.heap, heap), groups,
            pools(lambda key: key._replace(root_name=0)), pools(lambda key: key._replace(function=0, filename=0)),
        )


class Service:
    """Draws samples of kinds of objects; `looks()` yields an aggregate each `step` seconds."""

    def __init__(self, seed: int, kinds: list[Kind], *, spans_per_s: Callable[[float], float] = lambda t: 100.0) -> None:
        self.random = random.Random(seed)
        self.kinds = kinds
        self.spans_per_s = spans_per_s
        self.cohorts = Cohorts()
        self._living: list[tuple[float, int, GroupKey, float, bool]] = []   # a heap, by death
        self._ended = 0.0
        self._number = 0

    def looks(self, duration: float, step: float) -> Iterator[tuple[float, Aggregate]]:
        now = 0.0
        while now < duration:
            for kind in self.kinds:
                self._births(kind, now, step)
            self._ended += self.spans_per_s(now) * step
            now += step
            while self._living and self._living[0][0] <= now:
                heapq.heappop(self._living)
            yield now, self.cohorts.update(now, self._ended, [(key, born, s) for _, _, key, born, s in self._living])

    def _births(self, kind: Kind, now: float, step: float) -> None:
        mean = kind.bytes_per_s(now) * step / INTERVAL
        for _ in range(self._poisson(mean)):
            born = now + self.random.random() * step
            self._number += 1
            key = GroupKey(kind.site, 1, kind.root)
            heapq.heappush(self._living, (born + kind.lifetime(born, self.random), self._number, key, born, kind.in_span))

    def _poisson(self, mean: float) -> int:
        if mean > 500:
            return max(0, round(self.random.gauss(mean, math.sqrt(mean))))
        n, product, limit = 0, self.random.random(), math.exp(-mean)
        while product > limit:
            n += 1
            product *= self.random.random()
        return n
