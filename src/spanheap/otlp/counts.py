"""What became of the profiles that were to be exported."""

from __future__ import annotations

from typing import NamedTuple


class ProfilesCounts(NamedTuple):
    """`ProfilesExporter.counts()`; since the exporter was made. An export is one request with one snapshot."""

    exported: int
    """Accepted by the receiver."""
    refused: int
    """With a status that it makes no sense to try again: 400, 401, 404, 413, …"""
    unavailable: int
    """Asked to try later (429, 502, 503, 504) until the time of an export was over."""
    unreachable: int
    """Nobody there: no such host, connection refused, or broken."""
    timed_out: int
    """No answer in time."""
    too_large: int
    """More than `max_bytes` even with all samples merged."""
    failed: int
    """For other reasons; the log has the first."""
    retries: int
    """Requests that were sent again."""
    rejected_profiles: int
    """Of exports that were accepted in part."""
    merged_samples: int
    """That went into "<other>" for want of room."""
    bytes: int
    """Of all requests, as they were sent."""

    @property
    def lost(self) -> int:
        """Exports that did not arrive."""
        return self.refused + self.unavailable + self.unreachable + self.timed_out + self.too_large + self.failed
