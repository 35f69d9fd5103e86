"""An order service, traced by OpenTelemetry, with a leak in one of its handlers.

The demo copies this file into its output folder and runs the copy: there it is application code, as yours
would be. Nothing in it knows that it is profiled; the remedy keeps its metadata in a spanheap.SpanRing.
"""

from __future__ import annotations

import collections
import http.server
import itertools
import json
import random
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

import spanheap

RECENT_REQUESTS = 1000
RECENT_SECONDS = 600
CACHED_PRODUCTS = 200
COLOURS = ("red", "green", "blue", "black")
CATALOGUE = [f"{colour} {thing}" for colour in COLOURS for thing in ("mug", "shirt", "lamp")]

Document = dict[str, Any]

SERVER, CLIENT = SpanKind.SERVER, SpanKind.CLIENT
tracer = trace.get_tracer("order-service")


# --- finished requests, kept to look at them afterwards

finished_spans: dict[str, Span] = {}


def keep_span(request_id: str, span: Span) -> None:
    """The mistake: nothing ever leaves the map, and each span holds its attributes, events and links."""
    finished_spans[request_id] = span


finished_requests = spanheap.SpanRing(RECENT_REQUESTS, ttl=RECENT_SECONDS)


def keep_metadata(request_id: str, span: Span) -> None:
    """The remedy: what is needed to find the trace again, for the latest requests only."""
    context, start = span.get_span_context(), span.start_time or 0
    duration_ns = (span.end_time or start) - start
    finished_requests.append(context.trace_id, context.span_id, 0, span.name, start, duration_ns)


KEEPERS = {"leaky": keep_span, "fixed": keep_metadata}


# --- handlers

class OrderHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1   # headers and body leave in one segment

    keep: Callable[[str, Any], None]
    request_ids = itertools.count(1)
    products: ClassVar[collections.OrderedDict[int, Document]] = collections.OrderedDict()

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        _, resource, *rest = url.path.split("/")
        if resource == "orders" and rest:
            self.get_order(rest[0])
        elif resource == "products" and rest and rest[0].isdigit():
            self.get_product(int(rest[0]))
        elif resource == "search":
            self.search(urllib.parse.parse_qs(url.query).get("q", [""])[0])
        elif resource == "health":
            self.health()
        else:
            self.respond(404, {"error": f"no such resource: {url.path}"})

    def get_order(self, order_id: str) -> None:
        request_id = f"req-{next(self.request_ids):08d}"
        attributes = self.server_attributes("/orders/{id}") | {"request.id": request_id, "order.id": order_id}
        with tracer.start_as_current_span("GET /orders/{id}", kind=SERVER, attributes=attributes) as span:
            lines = self.load_order_lines(order_id)
            with tracer.start_as_current_span("price order") as pricing:
                total = sum(line["quantity"] * line["price"] for line in lines)
                pricing.set_attribute("order.total", round(total, 2))
            self.respond(200, {"id": order_id, "lines": lines, "total": round(total, 2)})
            span.set_attribute("http.response.status_code", 200)
        self.keep(request_id, span)

    def load_order_lines(self, order_id: str) -> list[Document]:
        attributes = {"db.system.name": "postgresql", "db.query.summary": "SELECT order_lines"}
        with tracer.start_as_current_span("SELECT order_lines", kind=CLIENT, attributes=attributes) as span:
            chosen = random.Random(order_id)   # the same order has the same lines
            lines = [
                {"product": name, "quantity": chosen.randint(1, 5), "price": chosen.randint(100, 9999) / 100}
                for name in chosen.sample(CATALOGUE, 4)
            ]
            span.add_event("rows fetched", {"db.response.returned_rows": len(lines)})
            return lines

    def get_product(self, number: int) -> None:
        attributes = self.server_attributes("/products/{id}")
        with tracer.start_as_current_span("GET /products/{id}", kind=SERVER, attributes=attributes) as span:
            product = self.products.get(number)
            span.set_attribute("cache.hit", product is not None)
            if product is None:
                name = CATALOGUE[number % len(CATALOGUE)]
                product = {"id": number, "name": name, "tags": [f"{name}-{i}" for i in range(20)]}
                self.products[number] = product
                while len(self.products) > CACHED_PRODUCTS:
                    self.products.popitem(last=False)
            self.respond(200, product)

    def search(self, query: str) -> None:
        attributes = self.server_attributes("/search")
        with tracer.start_as_current_span("GET /search", kind=SERVER, attributes=attributes) as span:
            rows: list[Document] = [
                {"id": i, "name": f"{CATALOGUE[i % len(CATALOGUE)]} {i}", "rank": i * 31 % 97}
                for i in range(300)
            ]
            hits = sorted((row for row in rows if query in row["name"]), key=lambda row: row["rank"])[:10]
            span.set_attribute("search.hits", len(hits))
            self.respond(200, {"hits": hits})

    def health(self) -> None:
        attributes = self.server_attributes("/health")
        with tracer.start_as_current_span("GET /health", kind=SERVER, attributes=attributes):
            self.respond(200, {"status": "ok"})

    def server_attributes(self, route: str) -> dict[str, str | int]:
        host, port = cast("tuple[str, int]", self.server.server_address)
        return {
            "http.request.method": self.command,
            "http.route": route,
            "url.scheme": "http",
            "url.path": self.path,
            "server.address": host,
            "server.port": port,
            "client.address": self.client_address[0],
            "client.port": self.client_address[1],
            "user_agent.original": self.headers.get("User-Agent", ""),
        }

    def respond(self, status: int, document: Document) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A line per request would only measure the terminal."""


# --- the process around them

class CountingExporter(SpanExporter):
    """Serialises each span as an exporter does; the network is left out."""

    def __init__(self) -> None:
        self.spans = 0
        self.bytes = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self.bytes += len(span.to_json(indent=None).encode())
        self.spans += len(spans)
        return SpanExportResult.SUCCESS


def configure_tracing() -> tuple[TracerProvider, CountingExporter]:
    resource = Resource.create({"service.name": "order-service", "service.version": "1.4.2"})
    provider = TracerProvider(resource=resource)
    exporter = CountingExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider, exporter


class OrderServer(http.server.ThreadingHTTPServer):
    """Listens on a free port of the loopback interface."""

    daemon_threads = True   # idle keep-alive connections must not hold up the end of the process

    def __init__(self, variant: str) -> None:
        handler = type("OrderHandler", (OrderHandler,), {"keep": staticmethod(KEEPERS[variant])})
        super().__init__(("127.0.0.1", 0), handler)
