"""Every checkout leaves its parsed body and price lines in current_app.extensions, a per-process "request log" that no
one empties; seen in Flask apps that treat app.extensions or app.config as request state.
"""

from __future__ import annotations

import random

from flask import Flask, current_app, jsonify
from flask import request as http_request

KIND = "leak"
SPAN = "POST /checkout"
ENDPOINTS = [("GET /catalogue", 6), ("POST /checkout", 1), ("GET /healthz", 2)]
SITE = "checkout"
HOLDER = "extensions"
REQUIRES = ["flask==3.1.3"]
REQUESTS_PER_SECOND = 4
DURATION_S = 2400

_app = None
_client = None
_rng = random.Random(3)


def create_app():
    app = Flask("shop")
    app.extensions["audit"] = []
    app.add_url_rule("/catalogue", view_func=catalogue)
    app.add_url_rule("/checkout", view_func=checkout, methods=["POST"])
    app.add_url_rule("/healthz", view_func=healthz)
    return app


def catalogue():
    page = int(http_request.args.get("page", 1))
    items = [{"sku": f"SKU-{page:04d}-{n:03d}", "stock": _rng.randrange(50), "text": "x" * 120} for n in range(60)]
    return jsonify(items=items)


def checkout():
    order = http_request.get_json()
    lines = []
    for item in order["items"]:
        gross = item["quantity"] * item["cents"]
        lines.append({"sku": item["sku"], "gross": gross, "vat": gross * 19 // 119, "note": f"line {item['sku']}"})
    current_app.extensions["audit"].append({"path": http_request.path, "order": order, "lines": lines})
    return jsonify(total=sum(line["gross"] for line in lines)), 201


def healthz():
    return "ok"


def setup():
    global _app, _client
    _app = create_app()
    _client = _app.test_client()


def request(i, now, endpoint):
    if endpoint == "POST /checkout":
        items = [
            {"sku": f"SKU-{_rng.randrange(10**8):08d}", "quantity": 1 + n % 3, "cents": _rng.randrange(300, 90_000)}
            for n in range(_rng.randrange(5, 40))
        ]
        answer = _client.post("/checkout", json={"customer": i, "items": items})
    elif endpoint == "GET /catalogue":
        answer = _client.get(f"/catalogue?page={i % 200}")
    else:
        answer = _client.get("/healthz")
    return answer.status_code


def teardown():
    _app.extensions["audit"].clear()
