"""Does the detector find leaks, and only leaks? Scenarios, a driver in virtual time, a scorer and two baselines.

README.md says how to run it and what the figures mean.
"""

from __future__ import annotations
