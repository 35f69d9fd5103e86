"""The load: a process that sends requests over keep-alive connections, as fast as they are answered."""

from __future__ import annotations

import http.client
import random
import sys
import threading

from spanheap.demo.child import Answer, Replies

CONNECTIONS = 4   # enough to keep one interpreter busy; more would only queue for its GIL
MIX = {"/orders/{}": 50, "/products/{}": 25, "/search?q={}": 15, "/health": 10}   # weights
RETRY_PAUSE = 0.1   # s; a service that refuses connections is not asked thousands of times a second


class Connection(threading.Thread):
    """One client. It alone writes its counters."""

    def __init__(self, port: int, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._stop_requested = stop
        self._random = random.Random(seed)
        self.requests = 0
        self.failures = 0
        self.last_failure = ""

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        paths, weights = list(MIX), list(MIX.values())
        while not self._stop_requested.is_set():
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
                self._stop_requested.wait(RETRY_PAUSE)
        connection.close()


def main(port: int) -> None:
    replies = Replies()
    stop = threading.Event()
    connections = [Connection(port, seed, stop) for seed in range(CONNECTIONS)]
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
    stop.set()
    for connection in connections:   # a request that is cut off would be an error in the service's log
        connection.join(timeout=1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
