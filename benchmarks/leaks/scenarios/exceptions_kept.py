"""A client keeps the exceptions of failed calls for its health page; each traceback keeps the frames, and they the bodies.

Seen in retry helpers and task queues that store the exception object as a result.
"""

from __future__ import annotations

from _shop import work

KIND = "leak"
SPAN = "POST /payments"
SITE = "read_body"
HOLDER = "failures"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class PaymentClient:
    def __init__(self) -> None:
        self.failures: list[Exception] = []

    def pay(self, i: int) -> None:
        try:
            self.submit(i)
        except TimeoutError as error:
            self.failures.append(error)

    def submit(self, i: int) -> None:
        body = read_body(i)
        if i % 20 == 3:
            raise TimeoutError(f"payment {i} of {len(body)} bytes")


def read_body(i: int) -> bytearray:
    return bytearray(16_000 + i % 1000)


client = PaymentClient()


def setup() -> None:
    client.failures.clear()


def request(i: int, now: float) -> None:
    work(i)
    client.pay(i)


def teardown() -> None:
    client.failures.clear()
