"""Are the estimates true? Known bytes at known places against what the profiler says, over many seeds."""

from __future__ import annotations
