"""A validating descriptor that stores the values by instance in a dict of its own.

Seen in an invoicing service.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

KIND = "leak"
SPAN = "POST /invoices"
SITE = "parse_invoice"
HOLDER = "_amounts"
REQUESTS_PER_SECOND = 5
DURATION_S = 2400


class MoneyField:
    def __init__(self, minimum="0"):
        self.minimum = Decimal(minimum)
        self._amounts = {}

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        return self._amounts[instance]

    def __set__(self, instance, value):
        try:
            amount = Decimal(value)
        except InvalidOperation:
            raise ValueError(f"{self.name}: {value!r} is not an amount") from None
        if amount < self.minimum:
            raise ValueError(f"{self.name}: {amount} is below {self.minimum}")
        self._amounts[instance] = amount


class Invoice:
    total = MoneyField()

    def __init__(self, number, lines):
        self.number = number
        self.lines = lines

    def tax(self, rate):
        return (self.total * rate).quantize(Decimal("0.01"))


def parse_invoice(number, text):
    lines = []
    for record in text.split(";"):
        article, quantity, price = record.split(",")
        lines.append((article, int(quantity), Decimal(price)))
    invoice = Invoice(number, lines)
    invoice.total = sum((quantity * price for _, quantity, price in lines), Decimal(0))
    return invoice


def setup():
    Invoice.total._amounts.clear()


def request(i, now):
    text = ";".join(f"article-{(i * 3 + k) % 7000:05d},{1 + k % 5},{10 + k}.{i % 90 + 10}" for k in range(25))
    invoice = parse_invoice(i, text)
    return {"number": invoice.number, "total": str(invoice.total), "tax": str(invoice.tax(Decimal("0.19")))}


def teardown():
    Invoice.total._amounts.clear()
