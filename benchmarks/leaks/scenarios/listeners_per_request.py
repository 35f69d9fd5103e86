"""Each request subscribes to a signal and never unsubscribes; seen with blinker and Django receivers given weak=False."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "PUT /prices"
SITE = "PriceForm.__init__"
HOLDER = "receivers"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class Signal:
    def __init__(self) -> None:
        self.receivers: dict[int, Callable[[Any], None]] = {}

    def connect(self, receiver: Callable[[Any], None]) -> None:
        self.receivers[id(receiver)] = receiver


class PriceForm:
    def __init__(self, i: int) -> None:
        self.row = record(i, 1500)

    def on_rates(self, rates: Any) -> None:
        self.row["rates"] = rates


rates_changed = Signal()


def setup() -> None:
    rates_changed.receivers.clear()


def request(i: int, now: float) -> None:
    form = PriceForm(i)
    rates_changed.connect(form.on_rates)
    work(i)


def teardown() -> None:
    rates_changed.receivers.clear()
