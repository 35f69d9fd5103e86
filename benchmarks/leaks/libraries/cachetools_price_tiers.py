"""Three caches of cachetools warm up beside each other: products by LRU, price lists by LFU, stock by TTL; all of them
reach their size or their lifetime's worth early and stay there.
"""

from __future__ import annotations

import random

from cachetools import LFUCache, LRUCache, TTLCache, cached
from cachetools.keys import hashkey

KIND = "bounded"
SPAN = "GET /offers/{product}"
SITE = None
HOLDER = None
REQUIRES = ["cachetools==8.0.2"]
REQUESTS_PER_SECOND = 8
DURATION_S = 5400

_now = 0.0
_rng = random.Random(23)
_products = LRUCache(maxsize=1_600)
_price_lists = LFUCache(maxsize=80)
_stock = TTLCache(maxsize=20_000, ttl=420, timer=lambda: _now)


def setup():
    pass


@cached(_products, key=lambda product: hashkey(product))
def product_page(product):
    page = {"id": product, "description": _rng.randbytes(1_500).hex(), "variants": []}
    for n in range(product % 6 + 1):
        page["variants"].append({"sku": f"{product}-{n}", "size": n, "ean": _rng.randrange(10**12)})
    return page


@cached(_price_lists)
def price_list(customer_group):
    return {n: _rng.random() * 100 for n in range(400)}


def stock_of(sku):
    entry = _stock.get(sku)
    if entry is None:
        entry = _stock[sku] = {"sku": sku, "store": [_rng.randrange(40) for _ in range(25)]}
    return sum(entry["store"])


def request(i, now):
    global _now
    _now = now
    product = int(_rng.paretovariate(0.35)) % 40_000
    page = product_page(product)
    prices = price_list(int(_rng.triangular(0, 900, 60)))
    variant = _rng.choice(page["variants"])
    return {"sku": variant["sku"], "price": prices[product % 400], "stock": stock_of(variant["sku"])}


def teardown():
    _products.clear()
    _price_lists.clear()
    _stock.clear()
