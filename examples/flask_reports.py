"""A Flask service that renders reports: with EXAMPLE_LEAK=1 its cache has keys that never come again, and no bound.

    opentelemetry-instrument gunicorn --chdir examples --workers 2 --bind 127.0.0.1:8001 flask_reports:app
    python examples/flask_reports.py http://127.0.0.1:8001 --seconds 60      # load
"""

from __future__ import annotations

import argparse
import functools
import http.client
import itertools
import os
import threading
import time
from urllib.parse import urlsplit

from flask import Flask, Response

LEAK = os.environ.get("EXAMPLE_LEAK") == "1"
CUSTOMERS = 100
ROWS = 1000

app = Flask("reports")


def render(customer: int, moment: float) -> str:
    """The report of a customer: a table of ROWS rows."""
    rows = "".join(f"<tr><td>{customer}</td><td>{n}</td><td>{n * customer % 97} EUR</td></tr>\n" for n in range(ROWS))
    return f"<table>\n{rows}</table>\n<p>as of {moment:.0f}</p>\n"


# The leak: a time to the microsecond as part of the key.
cached = functools.lru_cache(maxsize=None)(render) if LEAK else functools.lru_cache(maxsize=CUSTOMERS)(render)


@app.get("/reports/<int:customer>")
def report(customer: int) -> Response:
    """The report of today, or of this very moment."""
    now = time.time()
    return Response(cached(customer, now if LEAK else now // 86400 * 86400), mimetype="text/html")


@app.get("/health")
def health() -> str:
    """Which process answers."""
    return f"pid {os.getpid()}\n"


def load(url: str, seconds: float, connections: int) -> tuple[int, int]:
    """Reports of all customers, and a look at the health now and then. Returns (requests, failed ones)."""
    counts, deadline = [0, 0], time.monotonic() + seconds
    address = urlsplit(url)

    def client(first: int) -> None:
        for n in itertools.count(first):
            if time.monotonic() > deadline:
                return
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
            path, expected = ("/health", 1) if n % 10 == 9 else (f"/reports/{n % CUSTOMERS}", ROWS + 3)
            try:
                connection.request("GET", path)   # a worker of this kind closes after each response
                response = connection.getresponse()
                right = response.status == 200 and len(response.read().splitlines()) == expected
            except (OSError, http.client.HTTPException):
                right = False
            finally:
                connection.close()
            counts[0] += 1
            counts[1] += not right

    clients = [threading.Thread(target=client, args=(n * CUSTOMERS // connections,)) for n in range(connections)]
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
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8001")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=4)
    arguments = parser.parse_args()
    requests, failed = load(arguments.url, arguments.seconds, arguments.connections)
    print(f"{requests} requests, {failed} failed")
