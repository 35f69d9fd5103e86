"""Background jobs run on a thread pool, and each future is kept to be waited for at shutdown, its result inside it."""

from __future__ import annotations

import contextvars
from concurrent.futures import Future, ThreadPoolExecutor

from _shop import work

KIND = "leak"
SPAN = "POST /invoices"
SITE = "render_invoice"
HOLDER = "submitted"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600

pool: ThreadPoolExecutor | None = None
submitted: list[Future[bytes]] = []


def render_invoice(i: int) -> bytes:
    return f"%PDF invoice {i}".encode().ljust(4000 + i % 300, b"\n")


def setup() -> None:
    global pool
    pool = ThreadPoolExecutor(2, thread_name_prefix="invoices")


def request(i: int, now: float) -> None:
    assert pool is not None
    future = pool.submit(contextvars.copy_context().run, render_invoice, i)
    submitted.append(future)
    work(i)
    future.result(timeout=30)


def teardown() -> None:
    submitted.clear()
    if pool is not None:
        pool.shutdown()
