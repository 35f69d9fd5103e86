"""Registering a partner's webhook adds a FastAPI route at run time and the un-registration only forgets the partner,
never the route; seen in gateways that call app.add_api_route from a handler.
"""

from __future__ import annotations

import json
import random

from _asgi import call
from fastapi import FastAPI, Request
from pydantic import BaseModel

KIND = "leak"
SPAN = "PUT /partners/{partner}/hook"
ENDPOINTS = [("GET /orders/{order_id}", 4), ("PUT /partners/{partner}/hook", 1)]
SITE = "register_hook"
HOLDER = "routes"
REQUIRES = ["fastapi==0.165.0"]
REQUESTS_PER_SECOND = 3
DURATION_S = 2000
CONCURRENCY = 8

_app = None
_rng = random.Random(9)


class HookEvent(BaseModel):
    id: str
    kind: str
    payload: dict[str, str] = {}


async def order(order_id: int, verbose: bool = False):
    lines = [{"sku": f"s{n}", "quantity": n, "price": _rng.random()} for n in range(10)]
    return {"id": order_id, "lines": lines if verbose else lines[:3]}


async def register_hook(partner: str, request: Request):
    app = request.app
    settings = await request.json()

    async def receive_event(event: HookEvent):
        return {"partner": partner, "seen": event.id, "forward": settings["target"]}

    app.state.partners[partner] = settings
    app.add_api_route(f"/hooks/{partner}/{settings['version']}", receive_event, methods=["POST"], tags=[partner])
    if len(app.state.partners) > 50:
        app.state.partners.pop(next(iter(app.state.partners)))
    return {"registered": partner}


def setup():
    global _app
    _app = FastAPI(openapi_url=None)
    _app.state.partners = {}
    _app.add_api_route("/orders/{order_id}", order)
    _app.add_api_route("/partners/{partner}/hook", register_hook, methods=["PUT"])


async def request(i, now, endpoint):
    if endpoint.startswith("PUT"):
        settings = {"target": f"https://partner-{i % 300}.example/in", "version": f"v{i}"}
        return await call(_app, "PUT", f"/partners/p{i % 300}/hook", json.dumps(settings).encode())
    return await call(_app, "GET", f"/orders/{i}", query=b"verbose=true")


def teardown():
    _app.router.routes.clear()
