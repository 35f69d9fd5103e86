"""functools.lru_cache of a hundred thousand over a lookup by address: limited, and not full in an hour and a half."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass

from _data import churn, mix, text

KIND = "growing_bound_unknown"
SPAN = "enrich.event"
SITE = "resolve"
HOLDER = None
REQUESTS_PER_SECOND = 4
DURATION_S = 4500


@dataclass(frozen=True)
class Place:
    network: str
    country: str
    names: tuple[str, ...]


class GeoDatabase:
    COUNTRIES = ("AT", "BR", "CH", "DE", "FR", "IN", "JP", "NZ", "US", "ZA")

    def __init__(self) -> None:
        self.reads = 0
        self.lookup = functools.lru_cache(maxsize=100_000)(self.resolve)

    def resolve(self, address: str) -> Place:
        self.reads += 1
        number = int(ipaddress.IPv4Address(address))
        names = tuple(text(number + language, 600) for language in range(6))
        return Place(f"{address}/24", self.COUNTRIES[number % 10], names)


class Enricher:
    def __init__(self, database: GeoDatabase) -> None:
        self._database = database
        self.by_country: dict[str, int] = {}

    def enrich(self, event: dict[str, str]) -> dict[str, str]:
        place = self._database.lookup(event["address"])
        self.by_country[place.country] = self.by_country.get(place.country, 0) + 1
        return {**event, "country": place.country, "city": place.names[0]}


enricher: Enricher


def setup() -> None:
    global enricher
    enricher = Enricher(GeoDatabase())


def request(i: int, now: float) -> None:
    number = mix(mix(i) % 300) if i % 4 == 0 else mix(i)
    address = f"{10 + number % 200}.{number >> 8 & 255}.{number >> 16 & 255}.0"
    enricher.enrich({"id": str(i), "address": address})
    churn(i)


def teardown() -> None:
    del globals()["enricher"]
