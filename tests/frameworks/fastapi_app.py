"""A FastAPI service that keeps memory at every place where FastAPI runs code of its user. Run by uvicorn."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated

import uvicorn
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from tests.frameworks.ledger import Endpoint
from tests.frameworks.service import Service

# The first portion is the middleware's.
ITEMS = Endpoint("GET /items/{item_id}", "/items/{n}", (100, 100, 100))
REPORTS = Endpoint("GET /reports", "/reports", (100, 480, 600))
ORDERS = Endpoint("POST /orders", "/orders", (100, 400, 3_000, 500, 64))
EMAILS = Endpoint("POST /emails/{address}", "/emails/{n}", (100, 4_096, 8_192, 200))
DOWNLOADS = Endpoint("GET /downloads/{name}", "/downloads/file-{n}.bin", (100, 512, 16_384, 513))
ARCHIVES = Endpoint("GET /archives/{year}/{month}", "/archives/{n}/12", (100, 1 << 20, 128))
CUSTOMERS = Endpoint("GET /customers/{customer_id}", "/customers/{n}", (100, 10_000))
LEGACY = Endpoint("GET /legacy/{page:path}", "/legacy/shop/{n}", (100, 256, 2_048), renamed="GET /legacy/shop")

service = Service([ITEMS, REPORTS, ORDERS, EMAILS, DOWNLOADS, ARCHIVES, CUSTOMERS, LEGACY])
keep = service.ledger.keep

app = FastAPI()
router = APIRouter(prefix="/customers")


@app.middleware("http")
async def middleware(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Before the response leaves; a streamed one has only begun."""
    response = await call_next(request)
    keep(service.endpoint_of(request.url.path), 0)
    return response


@app.get("/items/{item_id}")
async def items(item_id: int) -> dict[str, int]:
    """On the event loop, among the other requests."""
    keep(ITEMS, 1)
    await asyncio.sleep(0.001)
    keep(ITEMS, 2)
    return {"id": item_id}


@app.get("/reports")
def reports() -> dict[str, int]:
    """In the thread pool."""
    keep(REPORTS, 1)
    keep(REPORTS, 2)
    return {"pages": 12}


async def database() -> AsyncIterator[int]:
    """A dependency with a part after the response."""
    keep(ORDERS, 1)
    await asyncio.sleep(0)
    yield 1
    keep(ORDERS, 2)


def user() -> str:
    """A dependency in the thread pool."""
    keep(ORDERS, 3)
    return "somebody"


@app.post("/orders")
async def orders(database: Annotated[int, Depends(database)], user: Annotated[str, Depends(user)]) -> dict[str, str]:
    """Depends on what keeps memory itself."""
    keep(ORDERS, 4)
    return {"user": user}


def send_email() -> None:
    """In the thread pool."""
    keep(EMAILS, 2)


async def log_email() -> None:
    """On the event loop."""
    keep(EMAILS, 3)


@app.post("/emails/{address}")
async def emails(address: str, tasks: BackgroundTasks) -> dict[str, str]:
    """Most of its work comes after the response: the request's span has ended then, and is still current."""
    keep(EMAILS, 1)
    tasks.add_task(send_email)
    tasks.add_task(log_email)
    return {"to": address}


@app.get("/downloads/{name}")
async def downloads(name: str) -> StreamingResponse:
    """Sends as it goes: the first portion on the loop, the others in between."""
    keep(DOWNLOADS, 1)

    def chunks() -> Iterator[bytes]:
        keep(DOWNLOADS, 2)
        yield b"first"
        keep(DOWNLOADS, 3)
        yield b"second"

    return StreamingResponse(chunks())


@app.get("/archives/{year}/{month}")
async def archives(year: int, month: int) -> dict[str, int]:
    """Tasks and a thread of the request's own."""
    async def unpack() -> None:
        await asyncio.sleep(0)
        keep(ARCHIVES, 1)

    await asyncio.gather(asyncio.create_task(unpack()), asyncio.to_thread(keep, ARCHIVES, 2))
    return {"files": 3}


@router.get("/{customer_id}")
async def customers(customer_id: int) -> dict[str, int]:
    """Of a router with a prefix, in a span of its own."""
    with trace.get_tracer("shop").start_as_current_span("SELECT customers"):
        await asyncio.sleep(0)
        keep(CUSTOMERS, 1)
    return {"id": customer_id}


@app.get("/legacy/{page:path}")
async def legacy(page: str) -> dict[str, str]:
    """Knows better than its route what it is called."""
    keep(LEGACY, 1)
    assert LEGACY.renamed is not None
    trace.get_current_span().update_name(LEGACY.renamed)
    await asyncio.sleep(0)
    keep(LEGACY, 2)
    return {"page": page}


app.include_router(router)
FastAPIInstrumentor.instrument_app(app)

if __name__ == "__main__":
    # Not by uvicorn's --fd: it takes any socket for a Unix one, and then each response waits for an acknowledgement.
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
