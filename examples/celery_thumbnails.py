"""A Celery worker that makes thumbnails: with EXAMPLE_LEAK=1 its task keeps each of them, for its statistics.

    opentelemetry-instrument celery --workdir examples --app celery_thumbnails worker --concurrency 2 --without-mingle
    python examples/celery_thumbnails.py --seconds 60      # load

The broker is a folder (EXAMPLE_BROKER; `broker` beside this file by default), so that nothing else has to be installed.
"""

from __future__ import annotations

import argparse
import collections
import os
import signal
import time
from collections.abc import MutableSequence
from pathlib import Path

from celery import Celery, Task
from celery.result import AsyncResult

LEAK = os.environ.get("EXAMPLE_LEAK") == "1"
SIDE = 128            # pixels
AT_A_TIME = 4         # jobs that wait

folder = Path(os.environ.get("EXAMPLE_BROKER") or Path(__file__).parent / "broker").absolute()
for name in ("outbox", "messages", "control", "results"):
    folder.joinpath(name).mkdir(parents=True, exist_ok=True)
app = Celery("thumbnails", broker="filesystem://", backend=folder.joinpath("results").as_uri())
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(folder / "messages"), "data_folder_out": str(folder / "outbox"),
        "control_folder": str(folder / "control"), "polling_interval": 0.01,
    },
    broker_connection_retry_on_startup=True,
)


class Thumbnails(Task):
    """There is one such object a process: what it keeps, it keeps for good."""

    def __init__(self) -> None:
        self.made: MutableSequence[bytes] = collections.deque(maxlen=100)
        if LEAK:
            self.made = []   # "to work out the average size later"


@app.task(base=Thumbnails, bind=True, name="thumbnail")
def thumbnail(self: Thumbnails, picture: int) -> int:
    """Shrink a picture; returns the bytes of the result."""
    made = scale(picture)
    self.made.append(made)
    return len(made)


def scale(picture: int) -> bytes:
    """SIDE x SIDE pixels, of three bytes."""
    row = bytes((picture + x) % 256 for x in range(SIDE * 3))
    return b"".join(row[y % 7:] + row[:y % 7] for y in range(SIDE))


def send(picture: int) -> AsyncResult:
    """A job for the worker, which must not find a message that is only half written."""
    result = thumbnail.delay(picture)
    for message in folder.joinpath("outbox").iterdir():
        message.rename(folder / "messages" / message.name)
    return result


def load(seconds: float) -> tuple[int, int]:
    """One job after the other, AT_A_TIME of them under way. Returns (jobs, failed ones)."""
    deadline = time.monotonic() + seconds

    def enough(*_: object) -> None:   # Ctrl-C, which must not leave a message half written: those under way are waited for
        nonlocal deadline
        deadline = 0.0

    signal.signal(signal.SIGINT, enough)
    waiting: collections.deque[AsyncResult] = collections.deque()
    jobs = failed = 0
    while time.monotonic() < deadline or waiting:
        if time.monotonic() < deadline and len(waiting) < AT_A_TIME:
            waiting.append(send(jobs))
            jobs += 1
            continue
        result = waiting.popleft()
        try:
            failed += result.get(timeout=30, interval=0.01) != SIDE * SIDE * 3
            result.forget()
        except Exception as error:
            print(f"job {result.id}: {error!r}")
            failed += 1
    return jobs, failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Gives the worker jobs.")
    parser.add_argument("--seconds", type=float, default=60.0)
    jobs, failed = load(parser.parse_args().seconds)
    print(f"{jobs} jobs, {failed} failed")
