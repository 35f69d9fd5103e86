"""A candidate that the detector follows, and how candidates that tell of the same memory stand to each other."""

from __future__ import annotations

import dataclasses
import math

from spanheap.detection.blocks import BlockKey
from spanheap.detection.evidence import Evidence
from spanheap.detection.series import GroupKey
from spanheap.detection.trend import Trend
from spanheap.detection.verdict import LeakVerdict

ASK_AFTER_S = 60.0          # of steady growth; a walk over the heap is not for every blip
FORGET_SHARE = 0.25         # of the window: how long a verdict outlives its trend
FORGET_S = 30.0
POOL_EXPLAINED = 0.5        # a pool is not reported where one of its groups has so much of its growth
OUTGROWN = 2.0              # times what a container's leak was told of: another group is told instead

Key = GroupKey | BlockKey


@dataclasses.dataclass
class Case:
    """A candidate that is followed."""

    key: Key
    trend: Trend
    seen_at: float
    evidence: Evidence | None = None
    asked_window_s: float = 0.0
    verdict: LeakVerdict | None = None
    said_at: float = math.inf

    def expires_at(self) -> float:
        return self.seen_at + max(FORGET_S, FORGET_SHARE * self.trend.window_s)

    def is_pool(self) -> bool:
        """Several groups, added up."""
        return not (self.key.function and self.key.root_name)

    def outgrows(self, told: Case) -> bool:
        """Whether a container's leak is rather this one, though the other was told first."""
        is_more = self.trend.grown_bytes >= OUTGROWN * told.trend.grown_bytes
        is_vaguer = (told.trend.in_span and not self.trend.in_span) or (self.is_pool() and not told.is_pool())
        return is_more and not is_vaguer


def precedence(case: Case) -> tuple[bool, float, bool, bool, float]:
    """Who speaks for cases that are one: not the spans that the others hold, then who spoke first, who is in a span, is one
    group, grew most."""
    through = case.evidence is not None and case.evidence.through != ""
    return (through, case.said_at, not case.trend.in_span, case.is_pool(), -case.trend.grown_bytes)


def speaks_for(case: Case, pool: Case) -> bool:
    """Whether a group has most of the growth of this pool."""
    is_most = case.trend.grown_bytes >= POOL_EXPLAINED * pool.trend.grown_bytes and case.trend.window_s >= ASK_AFTER_S
    return is_most and _is_in(case.key, pool.key)


def _is_in(key: Key, pool: Key) -> bool:
    """Whether a group is one of those that were added up in this pool."""
    if isinstance(pool, BlockKey) or isinstance(key, BlockKey) or key == pool:
        return False
    by_root, by_site = not pool.function and not pool.filename, not pool.root_name
    return (by_root and key.root_name == pool.root_name) or (by_site and key[:2] == pool[:2])


def explained(pool: GroupKey, trend: Trend, found: dict[GroupKey, Trend]) -> bool:
    """A group or pool that has been found says it more exactly."""
    return any(
        other.grown_bytes >= POOL_EXPLAINED * trend.grown_bytes
        and (key.root_name in (pool.root_name, 0) or not pool.root_name)
        and (key[:2] in (pool[:2], (0, 0)) or not pool.function)
        for key, other in found.items()
    )
