"""What is shown during a run: on a terminal one refreshed line, elsewhere a line every two seconds."""

from __future__ import annotations

import time

from spanheap.demo.child import Answer
from spanheap.demo.terminal import Terminal, quantity

LOG_INTERVAL = 2.0


class Progress:
    def __init__(self, terminal: Terminal, title: str) -> None:
        self._terminal = terminal
        self._title = title
        self._started = self._last_time = time.monotonic()
        self._last_requests = 0
        self._last_logged = self._started
        self._baseline: float | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._terminal.keep_line()

    def warmed_up(self, status: Answer) -> None:
        """Growth is shown from here on."""
        self._baseline = status["live_bytes"]

    def update(self, requests: int, status: Answer) -> None:
        now = time.monotonic()
        rate = (requests - self._last_requests) / (now - self._last_time)
        self._last_requests, self._last_time = requests, now
        live = status["live_bytes"]
        growth = "warming up" if self._baseline is None else f"growth {quantity(live - self._baseline)}"
        line = (
            f"  {self._title}  {now - self._started:4.1f} s  {rate:5,.0f} requests/s"
            f"  {status['spans']:7,} spans  RSS {quantity(status['rss_bytes']):>9}"
            f"  live {quantity(live):>9}  {growth}"
        )
        if self._terminal.interactive:
            self._terminal.refresh(line)
        elif now - self._last_logged >= LOG_INTERVAL:
            self._terminal.print(line)
            self._last_logged = now
