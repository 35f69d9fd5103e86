"""A histogram is labelled with the raw path of the request, order numbers included, so that each order makes a child
with all its buckets; the best known mistake with prometheus_client.
"""

from __future__ import annotations

import random

from prometheus_client import CollectorRegistry, Counter, Histogram

KIND = "leak"
SPAN = "GET /orders/{id}"
ENDPOINTS = [("GET /orders/{id}", 1), ("GET /products", 3)]
SITE = "observe"
HOLDER = "_metrics"
REQUIRES = ["prometheus_client==0.26.0"]
REQUESTS_PER_SECOND = 14
DURATION_S = 2700

registry = CollectorRegistry()
latency = Histogram("http_latency_seconds", "Latency of a request.", ["method", "path", "status"], registry=registry)
answers = Counter("http_answers_total", "Answers by status.", ["status"], registry=registry)
_rng = random.Random(2)
_products = []


def setup():
    for n in range(3_000):
        _products.append({"sku": f"P{n:05d}", "price": _rng.random() * 50, "tags": [f"t{n % 7}", f"t{n % 11}"]})


def observe(method, path, status, seconds):
    latency.labels(method, path, str(status)).observe(seconds)
    answers.labels(str(status)).inc()


def order(number):
    return {"number": number, "items": [{"sku": f"P{_rng.randrange(3_000):05d}", "quantity": n} for n in range(8)]}


def products(page):
    chosen = sorted(_products[page * 30 : page * 30 + 120], key=lambda product: product["price"])
    return [
        {"sku": product["sku"], "label": product["sku"].lower() + " in " + ", ".join(product["tags"])} for product in chosen
    ]


def request(i, now, endpoint):
    if endpoint == "GET /products":
        page = i % 90
        body, path = products(page), "/products"
    else:
        number = 1_000_000 + i
        body, path = order(number), f"/orders/{number}"
    observe("GET", path, 200, _rng.expovariate(20))
    return body


def teardown():
    latency.clear()
