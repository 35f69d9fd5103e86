"""An `after` callback of tenacity keeps every failed attempt's outcome "for the debug page"; the exception in it holds
the httpx response with its body and the traceback with its frames.
"""

from __future__ import annotations

import _upstream
import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_none

KIND = "leak"
SPAN = "GET /rates"
SITE = "fetch_rates"
HOLDER = "_failed_attempts"
REQUIRES = ["httpx==0.28.1", "tenacity==9.2.1"]
REQUESTS_PER_SECOND = 4
DURATION_S = 2400

_failed_attempts = []
_client = None


def remember(state):
    if state.outcome.failed:
        _failed_attempts.append((state.attempt_number, state.outcome))


def setup():
    global _client
    _client = httpx.Client(base_url="https://rates.example", transport=httpx.MockTransport(_upstream.Rates(fail_every=9)))


def fetch_rates(base):
    answer = _client.get("/v2/quotes", params={"base": base})
    answer.raise_for_status()
    return answer.json()["quotes"]


def spread(quotes):
    widest = max(quotes, key=lambda quote: abs(quote["ask"] - quote["bid"]))
    return {"pair": widest["pair"], "spread": widest["ask"] - widest["bid"]}


def request(i, now):
    retrying = Retrying(
        stop=stop_after_attempt(3),
        wait=wait_none(),
        retry=retry_if_exception_type(httpx.HTTPStatusError),
        after=remember,
        reraise=True,
    )
    quotes = retrying(fetch_rates, ("EUR", "USD", "GBP")[i % 3])
    return spread(quotes)


def teardown():
    _failed_attempts.clear()
    _client.close()
