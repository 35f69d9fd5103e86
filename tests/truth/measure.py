"""One site over many seeds: mean and spread of the estimates against the truth and the derivation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import NamedTuple

import spanheap
from spanheap.snapshot import Row
from tests.truth.sites import Site


class Figure(NamedTuple):
    """Estimates of one quantity, one a seed, with the truth and the standard deviation that the derivation gives them."""

    truth: float
    deviation: float
    estimates: list[float]

    @property
    def bias(self) -> float:
        """Mean estimate / truth - 1."""
        return statistics.fmean(self.estimates) / self.truth - 1

    @property
    def standard_errors(self) -> float:
        """The same, in standard errors of the mean."""
        return self.bias * self.truth * math.sqrt(len(self.estimates)) / self.deviation

    @property
    def spread(self) -> float:
        """Observed standard deviation, about the truth, / the derived one."""
        return math.sqrt(statistics.fmean((e - self.truth) ** 2 for e in self.estimates)) / self.deviation

    def spread_is_as_derived(self) -> bool:
        """Within 4 standard deviations of a chi-square variable (Wilson and Hilferty's approximation)."""
        n = len(self.estimates)
        low, high = ((1 - 2 / (9 * n) + z * math.sqrt(2 / (9 * n))) ** 3 for z in (-4, 4))
        return low <= self.spread**2 <= high


class Finding(NamedTuple):
    """What the seeds of one site gave."""

    site: str
    samples: float            # live ones, per seed
    live: Figure              # bytes
    objects: Figure           # live
    allocated: Figure         # bytes, of what was released too
    claimed_error: float      # `relative_error` of a view (root mean square) / the derived one


def rows_of(snapshot: spanheap.HeapSnapshot, function: str) -> list[Row]:
    """The rows whose leaf is this function (a qualified name from CPython 3.11 on)."""
    return [row for row in snapshot.rows if row.stack and row.stack[0].function.rpartition(".")[2] == function]


def derived_deviation(sizes: Iterable[int], interval: float, *, objects: bool = False) -> float:
    """Of the sum of S/p, or 1/p, over sampled blocks, each sampled with p = 1 - e^(-S/R) (Horvitz and Thompson)."""
    variance = 0.0
    for size in sizes:
        p = -math.expm1(-size / interval)
        variance += (1 if objects else size * size) * (1 - p) / p
    return math.sqrt(variance)


def measure(site: Site, seeds: int, first_seed: int = 0) -> Finding:
    """Fill the site once a seed, while nothing else runs, and compare."""
    live, objects, allocated, samples, variances = [], [], [], [], []
    for seed in range(first_seed, first_seed + seeds):
        keep: list[object] = [None] * site.count
        places = list(range(site.count))
        with spanheap.profile(
            sample_interval=site.interval, max_samples=1 << 16, adaptive=False, seed=seed, tick=None
        ) as session:
            site.fill(keep, iter(places))
            rows = rows_of(session.snapshot(), site.function)
            live.append(math.fsum(row.live_bytes for row in rows))
            objects.append(math.fsum(row.live_objects for row in rows))
            variances.append(math.fsum(row.variance for row in rows))
            samples.append(sum(row.samples for row in rows))
            del keep
            rows = rows_of(session.snapshot(), site.function)
            allocated.append(math.fsum(row.allocated_bytes for row in rows))
            # By size, since the tuple of a call's arguments may now lie in a free list.
            assert not any(row.is_live and row.size == site.requests()[-1] for row in rows), "released blocks are not live"
            assert session.stats().samples_dropped == 0
    requested = site.requests() * site.count
    kept = site.requests()[-1:] * site.count
    deviation = derived_deviation(kept, site.interval)
    return Finding(
        site=site.name,
        samples=statistics.fmean(samples),
        live=Figure(sum(kept), deviation, live),
        objects=Figure(site.count, derived_deviation(kept, site.interval, objects=True), objects),
        allocated=Figure(sum(requested), derived_deviation(requested, site.interval), allocated),
        claimed_error=math.sqrt(statistics.fmean(variances)) / deviation,
    )
