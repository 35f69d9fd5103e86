"""Parsed user agents are kept by their text; there are fifteen hundred in the world, the last of them rare."""

from __future__ import annotations

import random
import sys
from typing import Any

from _shop import record, work

KIND = "bounded"
SPAN = "GET /"
REQUESTS_PER_SECOND = 3
DURATION_S = 4800

agents: dict[str, dict[str, Any]] = {}


def setup() -> None:
    agents.clear()


def request(i: int, now: float) -> None:
    number = int(1500 * random.random() ** 1.5)
    text = sys.intern(f"Browser/{number}")
    if text not in agents:
        agents[text] = record(number, 5000)
    work(i)


def teardown() -> None:
    agents.clear()
