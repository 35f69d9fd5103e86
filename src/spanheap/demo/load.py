"""The load: a process that sends requests over keep-alive connections, as fast as they are answered."""

from __future__ import annotations

import http.client
import random
import sys
import threading
import time

from spanheap.demo.child import Answer, Replies

CONNECTIONS = 4   # enough to keep one interpreter busy; more would only queue for its GIL
MIX = {"/orders/{}": 50, "/products/{}": 25, "/search?q={}": 15, "/health": 10}   # weights
RETRY_PAUSE = 0.1   # s; a service that refuses connections is not asked thousands of times a second


class Connection(threading.Thread):
    """One client. It alone writes its counters."""

    def __init__(self, port: int, seed: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._random = random.Random(seed)
        self.requests = 0
        self.failures = 0
        self.last_failure = ""

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        paths, weights = list(MIX), list(MIX.values())
        while True:
            path = self._random.choices(paths, weights)[0].format(self._random.randrange(1000))
            try:
                connection.request("GET", path, headers={"User-Agent": "spanheap-demo"})
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    raise http.client.HTTPException(f"status {response.status} for {path}")
                self.requests += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures += 1
                self.last_failure = f"{type(error).__name__}: {error}"
                connection.close()
                time.sleep(RETRY_PAUSE)


def main(port: int) -> None:
    replies = Replies()
    connections = [Connection(port, seed) for seed in range(CONNECTIONS)]
    for connection in connections:
        connection.start()

    def status() -> Answer:
        return {
            "requests": sum(c.requests for c in connections),
            "failures": sum(c.failures for c in connections),
            "last_failure": next((c.last_failure for c in connections if c.last_failure), None),
        }

    replies.send({"connections": CONNECTIONS})
    replies.serve({"status": status})


if __name__ == "__main__":
    main(int(sys.argv[1]))
