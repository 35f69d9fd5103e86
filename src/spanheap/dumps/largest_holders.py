"""Who holds the largest site: comments of a dump that no verdict asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanheap import _core
from spanheap.detection import holding
from spanheap.retention import holders

if TYPE_CHECKING:
    from spanheap.session import Session


def lines(session: Session) -> list[str]:
    """None where the detector may not look for holders, or has no room in its pause budget for the walk."""
    leaks = session._profiler.leaks
    predicted = holding.predicted_ms(_core.sums()[1])
    if leaks is None or not leaks.policy.holders or not holding.available():
        return []
    if not leaks.pauses.allows(predicted, leaks.clock, first=False):
        return []
    sites = session.snapshot().sites(1)
    if not sites or not sites[0].live_bytes:
        return []
    found = holders.search_site(sites[0], 3, leaks.pauses.budget_ms)
    leaks.pauses.spend(found.pause_s * 1e3, leaks.clock)
    site = sites[0].application_frame
    if not found.holders and not found.complete:
        return [f"holders=none found: the walk was cut short after {found.pause_s * 1e3:.0f} ms site={site}"]
    return [f"holder.{i}={holder} share={holder.share:.3f} site={site}" for i, holder in enumerate(found.holders, 1)]
