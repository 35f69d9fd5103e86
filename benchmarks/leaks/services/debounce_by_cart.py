"""A debouncing decorator keeps the last timer of each key after it has fired, and with it the arguments.

Seen in a search indexer.
"""

from __future__ import annotations

import asyncio
import functools

KIND = "leak"
SPAN = "PATCH /carts/{id}"
SITE = "snapshot"
HOLDER = "reindex_cart"
REQUESTS_PER_SECOND = 16
DURATION_S = 1800
CONCURRENCY = 10


def debounced(delay):
    def decorate(function):
        pending = {}

        @functools.wraps(function)
        def later(key, *args):
            loop = asyncio.get_running_loop()
            timer = pending.get(key)
            if timer is not None:
                timer.cancel()
            pending[key] = loop.call_later(delay, function, key, *args)

        return later

    return decorate


class SearchIndex:
    def __init__(self):
        self.indexed = 0
        self.terms = 0

    def put(self, key, document):
        self.indexed += 1
        self.terms += len(document["lines"])


_index = SearchIndex()


@debounced(delay=8)
def reindex_cart(key, document):
    _index.put(key, document)


def snapshot(cart, step, now):
    lines = [
        {"sku": f"K{(cart * 11 + k) % 20011}", "title": f"article {k} of cart {cart}", "quantity": 1 + (k + step) % 4}
        for k in range(26 + cart % 22)
    ]
    return {"cart": cart, "step": step, "changed": now, "lines": lines}


async def request(i, now):
    cart, step = divmod(i, 5)
    document = snapshot(cart, step, now)
    await asyncio.sleep(0.02)
    reindex_cart(cart, document)
    return len(document["lines"])


def setup():
    _index.indexed = 0


def teardown():
    pass
