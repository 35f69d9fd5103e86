"""Speed. Nothing here is a test: read ratios and medians of one session, since machines are noisy."""

from __future__ import annotations
