"""An error reporter that groups by the text of the exception, which holds the order's number: every error is a group of
its own.

Seen in an in-house Sentry.
"""

from __future__ import annotations

import traceback

KIND = "leak"
SPAN = "POST /checkout"
SITE = "capture"
HOLDER = "_groups"
REQUESTS_PER_SECOND = 18
DURATION_S = 2400


class OutOfStock(Exception):
    pass


class ErrorGroup:
    def __init__(self, first, seen_at):
        self.first = first
        self.first_seen = seen_at
        self.last_seen = seen_at
        self.count = 0


class Reporter:
    def __init__(self):
        self._groups = {}

    def capture(self, error, now):
        fingerprint = f"{type(error).__name__}: {error}"
        group = self._groups.get(fingerprint)
        if group is None:
            report = traceback.TracebackException.from_exception(error, capture_locals=True)
            group = self._groups[fingerprint] = ErrorGroup(report, now)
        group.count += 1
        group.last_seen = now
        return group


_reporter = None


def reserve(order, stock):
    wanted = [(line["sku"], line["quantity"]) for line in order["lines"]]
    for sku, quantity in wanted:
        if stock.get(sku, 0) < quantity:
            raise OutOfStock(f"order {order['id']}: {sku} is short by {quantity - stock.get(sku, 0)}")
    return len(wanted)


def setup():
    global _reporter
    _reporter = Reporter()


def request(i, now):
    order = {
        "id": 700_000 + i,
        "customer": i % 900,
        "lines": [{"sku": f"A{k:03d}", "quantity": 1 + k % 3} for k in range(20)],
    }
    stock = {f"A{k:03d}": 5 for k in range(20)}
    if i % 14 == 3:
        stock["A017"] = 0
    try:
        return reserve(order, stock)
    except OutOfStock as error:
        _reporter.capture(error, now)
        return 0


def teardown():
    _reporter._groups.clear()
