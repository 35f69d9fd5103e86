"""One site over many seeds: mean and spread of the estimates against the truth and the derivation."""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

import spanheap
from spanheap.snapshot import Row
from tests.truth.sites import Site


class Finding(NamedTuple):
    """What the seeds of one site gave."""

    site: str
    samples: float        # per seed
    bias: float           # mean estimate / truth - 1
    standard_errors: float   # the same in standard errors of the mean
    spread: float         # observed standard deviation / the derived one
    objects_bias: float
    allocated_bias: float


def rows_of(snapshot: spanheap.HeapSnapshot, function: str) -> list[Row]:
    """The rows whose leaf is this function (a qualified name from CPython 3.11 on)."""
    return [row for row in snapshot.rows if row.stack and row.stack[0].function.rpartition(".")[2] == function]


def derived_variance(sizes: list[int], interval: int) -> float:
    """Of the sum of S/p over sampled blocks, each sampled with p = 1 - e^(-S/R) (Horvitz and Thompson)."""
    total = 0.0
    for size in sizes:
        p = -math.expm1(-size / interval)
        total += size * size * (1 - p) / p
    return total


def measure(site: Site, seeds: int) -> Finding:
    """Fill the site once a seed, while nothing else runs, and compare."""
    live, objects, allocated, samples = [], [], [], []
    for seed in range(seeds):
        keep: list[object] = [None] * site.count
        with spanheap.profile(
            sample_interval=site.interval, max_samples=1 << 16, adaptive=False, seed=seed, tick=None
        ) as session:
            site.fill(keep)
            rows = rows_of(session.snapshot(), site.function)
            live.append(math.fsum(row.live_bytes for row in rows))
            objects.append(math.fsum(row.live_objects for row in rows))
            samples.append(sum(row.samples for row in rows))
            sizes = [site.size(thing) for thing in keep]
            del keep
            rows = rows_of(session.snapshot(), site.function)
            allocated.append(math.fsum(row.allocated_bytes for row in rows))
            assert not any(row.samples for row in rows), "released blocks are not live"
            assert session.stats().samples_dropped == 0
    truth = sum(sizes)
    mean, deviation = statistics.mean(live), statistics.stdev(live)
    error = max(deviation, 1e-9 * truth) / math.sqrt(seeds)
    return Finding(
        site=site.name,
        samples=statistics.mean(samples),
        bias=mean / truth - 1,
        standard_errors=(mean - truth) / error,
        spread=deviation / math.sqrt(derived_variance(sizes, site.interval)),
        objects_bias=statistics.mean(objects) / site.count - 1,
        allocated_bias=statistics.mean(allocated) / truth - 1,
    )
