"""Metrics labelled with store, route and status: each new combination makes children for a while, then all of the finite
combinations are there.
"""

from __future__ import annotations

import random

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

KIND = "bounded"
SPAN = "POST /tills/{store}/{action}"
SITE = None
HOLDER = None
REQUIRES = ["prometheus_client==0.26.0"]
REQUESTS_PER_SECOND = 10
DURATION_S = 4500

registry = CollectorRegistry()
duration = Histogram(
    "till_seconds",
    "Duration of a till's action.",
    ["store", "action"],
    registry=registry,
    buckets=[0.005 * 1.5**n for n in range(24)],
)
sales = Counter("till_sales_total", "Sales by store, action and status.", ["store", "action", "status"], registry=registry)
last_seen = Gauge("till_last_seen", "When a store was last seen.", ["store"], registry=registry)

ACTIONS = ("open", "scan", "void", "pay", "close")
STATUS = ("200", "409", "503")
_rng = random.Random(37)


def setup():
    pass


def receipt(action, lines):
    printed = [f"{n:03d} {action:>6} {_rng.randrange(5_000) / 100:8.2f}" for n in range(lines)]
    return "\n".join(printed)


def request(i, now):
    store = f"store-{_rng.randrange(150):03d}"
    action = _rng.choice(ACTIONS)
    status = _rng.choices(STATUS, weights=(6, 2, 2))[0]
    paper = receipt(action, _rng.randrange(5, 30))
    duration.labels(store, action).observe(_rng.expovariate(8))
    sales.labels(store, action, status).inc()
    last_seen.labels(store).set(now)
    return len(paper)


def teardown():
    duration.clear()
    sales.clear()
    last_seen.clear()
