"""A FastAPI service that takes orders: with EXAMPLE_LEAK=1 it remembers every answer it has given.

    opentelemetry-instrument uvicorn --app-dir examples --port 8000 fastapi_orders:app
    python examples/fastapi_orders.py http://127.0.0.1:8000 --seconds 60      # load
"""

from __future__ import annotations

import argparse
import collections
import http.client
import itertools
import json
import os
import threading
import time
import uuid
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

LEAK = os.environ.get("EXAMPLE_LEAK") == "1"
REMEMBERED = 200   # answers

app = FastAPI(title="orders")


class Line(BaseModel):
    """What is ordered, and how many of it."""

    product: str
    quantity: int


class Order(BaseModel):
    """What the client sends."""

    customer: str
    lines: list[Line]


class AllAnswers:
    """A client that repeats a request, with the same key, gets the same answer and no second order."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[str, Any]] = {}

    def find(self, key: str) -> dict[str, Any] | None:
        """The answer that was given to this key."""
        return self._by_key.get(key)

    def remember(self, key: str, answer: dict[str, Any]) -> None:
        """For a repeated request."""
        self._by_key[key] = answer


class LastAnswers:
    """The same for the last REMEMBERED requests."""

    def __init__(self) -> None:
        self._last: collections.OrderedDict[str, dict[str, Any]] = collections.OrderedDict()

    def find(self, key: str) -> dict[str, Any] | None:
        """The answer that was given to this key, if it was one of the last."""
        return self._last.get(key)

    def remember(self, key: str, answer: dict[str, Any]) -> None:
        """For a repeated request, and forget the oldest."""
        self._last[key] = answer
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)


answers: AllAnswers | LastAnswers = AllAnswers() if LEAK else LastAnswers()
numbers = itertools.count(1)
PRICES = {f"product-{n}": 100 + n for n in range(50)}
NAMES = {name: name for name in PRICES}   # one string for each, however many orders name it


def confirm(order: Order) -> dict[str, Any]:
    """The confirmation, with a line and its text for each product."""
    lines = [
        {
            "product": NAMES[line.product], "quantity": line.quantity, "price": PRICES[line.product] * line.quantity,
            "text": f"{line.quantity} x {line.product} for {order.customer}, to be delivered within three days. " * 16,
        }
        for line in order.lines
    ]
    return {"number": next(numbers), "customer": order.customer.title(), "lines": lines}


@app.post("/orders")
async def place_order(order: Order, idempotency_key: Annotated[str, Header()]) -> dict[str, Any]:
    """Take an order once."""
    unknown = [line.product for line in order.lines if line.product not in PRICES]
    if unknown:
        raise HTTPException(404, f"no such product: {', '.join(unknown)}")
    answer = answers.find(idempotency_key)
    if answer is None:
        answer = confirm(order)
        answers.remember(idempotency_key, answer)
    return answer


@app.get("/products")
async def products() -> dict[str, int]:
    """What there is, with prices."""
    return dict(PRICES)


def load(url: str, seconds: float, connections: int) -> tuple[int, int]:
    """Orders, and a look at the products now and then. Returns (requests, failed ones)."""
    counts, deadline = [0, 0], time.monotonic() + seconds
    address = urlsplit(url)
    headers = {"Content-Type": "application/json"}

    def client(customer: int) -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        for n in itertools.count():
            if time.monotonic() > deadline:
                return
            if n % 10 == 9:
                method, path, body, expected = "GET", "/products", None, len(PRICES)
            else:
                lines = [{"product": f"product-{(n + i) % 50}", "quantity": i + 1} for i in range(20)]
                method, path, expected = "POST", "/orders", 20
                body = json.dumps({"customer": f"customer-{customer}", "lines": lines})
            right = False
            request_headers = headers | {"Idempotency-Key": uuid.uuid4().hex}
            for _ in range(5):   # a server that ends closes connections; to ask again does no harm
                try:
                    connection.request(method, path, body, request_headers)
                    response = connection.getresponse()
                    answer = json.loads(response.read())
                    right = response.status == 200 and len(answer.get("lines", answer)) == expected
                    break
                except (OSError, http.client.HTTPException, ValueError):
                    connection.close()
            counts[0] += 1
            counts[1] += not right

    clients = [threading.Thread(target=client, args=(n,)) for n in range(connections)]
    for thread in clients:
        thread.start()
    try:
        for thread in clients:
            thread.join()
    except KeyboardInterrupt:   # enough: those under way are waited for
        deadline = 0.0
        for thread in clients:
            thread.join()
    return counts[0], counts[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Puts the service under load.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=4)
    arguments = parser.parse_args()
    requests, failed = load(arguments.url, arguments.seconds, arguments.connections)
    print(f"{requests} requests, {failed} failed")
