"""functools.cache on a function that takes the time of the quote: no key comes twice after its second.

Seen in a currency service.
"""

from __future__ import annotations

import functools
from decimal import Decimal

KIND = "leak"
SPAN = "GET /quotes/{currency}"
SITE = "quote_table"
HOLDER = "quote_table"
REQUESTS_PER_SECOND = 7
DURATION_S = 2700

CURRENCIES = ("EUR", "USD", "GBP", "CHF", "JPY", "SEK", "NOK", "PLN", "CZK", "AUD", "CAD", "NZD")
AMOUNTS = tuple(
    Decimal(n) for n in (1, 2, 5, 10, 20, 25, 50, 75, 100, 150, 200, 250, 500, 750, 1000, 1500, 2000, 2500, 5000, 10000)
)


def mid_rate(currency, as_of):
    base = Decimal(100 + CURRENCIES.index(currency) * 7)
    return (base + Decimal(int(as_of) % 997) / 1000) / 100


@functools.cache
def quote_table(currency, as_of):
    rate = mid_rate(currency, as_of)
    spread = Decimal("0.0015")
    rows = []
    for amount in AMOUNTS:
        rows.append(
            (
                amount,
                (amount * rate * (1 - spread)).quantize(Decimal("0.0001")),
                (amount * rate * (1 + spread)).quantize(Decimal("0.0001")),
            )
        )
    return tuple(rows)


def best_row(table, amount):
    for row in table:
        if row[0] >= amount:
            return row
    return table[-1]


def setup():
    quote_table.cache_clear()


def request(i, now):
    currency = CURRENCIES[(i * 5) % len(CURRENCIES)]
    table = quote_table(currency, round(now, 1))
    row = best_row(table, i % 3000)
    return {"currency": currency, "bid": str(row[1]), "ask": str(row[2])}


def teardown():
    quote_table.cache_clear()
