"""Background tasks are put into a set so that they are not collected, and the done-callback that takes them out again
was forgotten; the asyncio documentation's advice half followed, in a Starlette app.
"""

from __future__ import annotations

import asyncio
import json
import random

from _asgi import call
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

KIND = "leak"
SPAN = "POST /orders"
ENDPOINTS = [("POST /orders", 1), ("GET /orders", 3)]
SITE = "send_confirmation"
HOLDER = "background"
REQUIRES = ["starlette==1.10.0"]
REQUESTS_PER_SECOND = 10
DURATION_S = 1500
CONCURRENCY = 16

_app = None
_rng = random.Random(17)


async def send_confirmation(order):
    await asyncio.sleep(_rng.uniform(0.05, 0.4))
    rows = []
    for n in range(order["count"]):
        rows.append(f"{n:3d}  article {order['id']}-{n}  {_rng.randrange(1, 900)} EUR")
    text = "\r\n".join(rows)
    return {"order": order["id"], "mime": "text/plain", "body": text.encode("utf-16")}


async def create_order(request):
    order = await request.json()
    task = asyncio.create_task(send_confirmation(order))
    request.app.state.background.add(task)
    return JSONResponse({"id": order["id"], "mail": "queued"}, status_code=202)


async def list_orders(request):
    page = [{"id": n, "status": "open", "lines": [_rng.random() for _ in range(6)]} for n in range(25)]
    await asyncio.sleep(0.01)
    return JSONResponse(page)


def setup():
    global _app
    _app = Starlette(
        routes=[
            Route("/orders", create_order, methods=["POST"]),
            Route("/orders", list_orders, methods=["GET"]),
        ]
    )
    _app.state.background = set()


async def request(i, now, endpoint):
    if endpoint == "POST /orders":
        return await call(_app, "POST", "/orders", json.dumps({"id": i, "count": _rng.randrange(60, 200)}).encode())
    return await call(_app, "GET", "/orders")


def teardown():
    _app.state.background.clear()
