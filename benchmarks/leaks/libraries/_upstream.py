"""Stand-ins for what is on the other side of the network."""

from __future__ import annotations

import io
import json
import random

import requests
from requests.adapters import HTTPAdapter


def rate_body(rng: random.Random, rows: int) -> bytes:
    quotes = [{"pair": f"EUR{n:03d}", "bid": rng.random(), "ask": rng.random(), "venue": "XA"} for n in range(rows)]
    return json.dumps({"quotes": quotes}).encode()


class Rates:
    """Answers an httpx request; one in `fail_every` answers is a 503 with a page of HTML."""

    def __init__(self, fail_every: int):
        self.rng = random.Random(7)
        self.fail_every = fail_every
        self.body = rate_body(self.rng, 40)
        self.served = 0

    def __call__(self, request):
        import httpx

        self.served += 1
        if self.served % self.fail_every == 0:
            page = b"<html><pre>" + self.rng.randbytes(6_000).hex().encode() + b"</pre></html>"
            return httpx.Response(503, content=page, request=request)
        return httpx.Response(200, content=self.body, request=request)


class OfflineAdapter(HTTPAdapter):
    """A requests adapter that answers 202 without a socket."""

    def send(self, request, **kwargs):
        answer = requests.Response()
        answer.status_code = 202
        answer.url = request.url
        answer.request = request
        answer.raw = io.BytesIO(b'{"accepted": true}')
        answer.connection = self
        return answer
