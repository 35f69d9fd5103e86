"""A shared requests.Session gets a signing adapter mounted for every delivery's URL, each with a pool manager of its
own, and no one takes it off again; seen in webhook senders with per-recipient credentials.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random

import _upstream
import requests
from urllib3.util import Retry

KIND = "leak"
SPAN = "deliver webhook"
SITE = "deliver"
HOLDER = "adapters"
REQUIRES = ["requests==2.34.2"]
REQUESTS_PER_SECOND = 3
DURATION_S = 1600

_session = requests.Session()
_rng = random.Random(77)
_targets = {}


class SigningAdapter(_upstream.OfflineAdapter):
    secret = b""
    last_body = None

    def add_headers(self, request, **kwargs):
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        request.headers["X-Signature"] = hmac.new(self.secret, body, hashlib.sha256).hexdigest()

    def send(self, request, **kwargs):
        self.add_headers(request)
        self.last_body = request.body
        return super().send(request, **kwargs)


def setup():
    for n in range(120):
        _targets[n] = (f"https://hooks.partner{n}.example/in", _rng.randbytes(32))


def deliver(target, event):
    base, secret = _targets[target]
    url = f"{base}/{event['id']}"
    if event["kind"] == "refund":
        adapter = SigningAdapter(max_retries=Retry(total=3, backoff_factor=0.2), pool_connections=4)
        _session.mount(url, adapter)
    else:
        adapter = SigningAdapter(max_retries=2)
        _session.mount(base, adapter)
    adapter.secret = secret
    answer = _session.post(url, data=json.dumps(event), timeout=5)
    return answer.status_code, answer.json()


def request(i, now):
    kind = "refund" if _rng.random() < 0.25 else "order"
    event = {
        "id": f"evt_{i:08x}",
        "kind": kind,
        "lines": [{"n": n, "cents": _rng.randrange(9_000)} for n in range(_rng.randrange(40, 220))],
    }
    return deliver(_rng.randrange(120), event)


def teardown():
    _session.close()
    _session.adapters.clear()
