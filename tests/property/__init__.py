"""Random programs with a known owner for every block, against what spanheap says of them."""

from __future__ import annotations
