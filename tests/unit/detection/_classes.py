"""Classes of services, as kinds of objects over time: leaks, what has a bound, and what may have one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from ._simulator import Kind, Service

MIB = 1024 * 1024
SITE, ROOT = 2, 1


def forever(_born: float, _random: random.Random) -> float:
    return math.inf


def lasting(seconds: float) -> Callable[[float, random.Random], float]:
    return lambda _born, _random: seconds


def exponential(mean: float) -> Callable[[float, random.Random], float]:
    return lambda _born, generator: generator.expovariate(1 / mean)


def per_hour(mib: float) -> Callable[[float], float]:
    return lambda _t: mib * MIB / 3600


def churn(site: int) -> Kind:
    """What every request makes and lets go of at once: 1 MiB a second."""
    return Kind(site, ROOT, lambda _t: MIB, exponential(0.2))


def wave(t: float) -> float:
    return 1 + 0.8 * math.sin(2 * math.pi * t / 7200)


def ramp(t: float) -> float:
    return 1 + 4 * min(1.0, t / 1800)


@dataclass
class Class:
    """One class of services: how long it is looked at, how often, and its traffic."""

    kinds: list[Kind]
    duration_s: float
    step_s: float
    traffic: Callable[[float], float] = lambda _t: 1.0

    def service(self, seed: int) -> Service:
        return Service(seed, self.kinds, spans_per_s=lambda t: 100 * self.traffic(t))


LEAKS = {
    "30 MB an hour": Class([Kind(SITE, ROOT, per_hour(30), forever), churn(SITE)], 3600, 30),
    "300 KB a second": Class([Kind(SITE, ROOT, lambda _t: 3e5, forever), churn(SITE)], 420, 6),
    "3.4 MB a second": Class([Kind(SITE, ROOT, lambda _t: 3.4e6, forever), churn(SITE)], 30, 2),
    "one percent of a site": Class(
        [Kind(SITE, ROOT, per_hour(60), forever), Kind(SITE, ROOT, per_hour(60 * 99), exponential(30))], 4200, 60),
    "begun after half an hour": Class(
        [Kind(SITE, ROOT, lambda t: (t > 1800) * 100 * MIB / 3600, forever), churn(SITE)], 3600, 30),
    "under waves of traffic": Class(
        [Kind(SITE, ROOT, lambda t: wave(t) * 60 * MIB / 3600, forever), churn(SITE)], 5400, 50, wave),
    "of background work": Class([Kind(SITE, ROOT, per_hour(100), forever, in_span=False)], 3600, 30),
}

BOUNDED = {
    "a cache with a TTL of 30 minutes": Class([Kind(SITE, ROOT, per_hour(100), lasting(1800))], 7200, 60),
    "a full LRU": Class([Kind(SITE, ROOT, per_hour(300), lasting(600))], 3600, 30),
    "an LRU that warms up for 15 minutes": Class([Kind(SITE, ROOT, per_hour(200), lasting(900))], 3600, 30),
    "a warm-up that levels off": Class(
        [Kind(SITE, ROOT, lambda t: 200 * MIB / 600 * math.exp(-t / 600), forever)], 5400, 60),
    "sessions of 20 minutes": Class([Kind(SITE, ROOT, per_hour(200), exponential(1200))], 7200, 60),
    "garbage in cycles": Class(
        [Kind(SITE, ROOT, lambda _t: 0.3 * MIB, lambda born, _random: 600 - born % 600)], 3600, 30),
    "an hourly batch": Class(
        [Kind(SITE, ROOT, lambda t: (t % 3600 < 300) * MIB, lambda born, _random: 300 - born % 3600)], 7500, 60),
    "traffic times five": Class(
        [Kind(SITE, ROOT, lambda t: ramp(t) * MIB / 16, exponential(300))], 3600, 40, ramp),
    "a model that is loaded": Class(
        [Kind(SITE, ROOT, lambda t: (600 < t < 630) * 5.0 * MIB, forever, in_span=False)], 3600, 30),
    "a pool that grows to its maximum": Class(
        [Kind(SITE, ROOT, lambda t: 100 * MIB / 300 * max(0.0, 1 - t / 600), forever)], 3600, 30),
    "an exporter's backlog": Class(
        [Kind(SITE, ROOT, lambda _t: MIB / 2,
              lambda born, _random: (1500 - born) / 5 + 1 if 600 < born < 1500 else 3.0)], 3600, 30),
}

UNKNOWN = {
    "an LRU of a million, not full": Class([Kind(SITE, ROOT, per_hour(60), forever)], 5400, 50),
    "a TTL of four hours": Class([Kind(SITE, ROOT, per_hour(60), lasting(14400))], 5400, 50),
}
