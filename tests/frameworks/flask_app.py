"""A Flask service that keeps memory at every place where Flask runs code of its user. Run by gunicorn."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor

from flask import Blueprint, Flask, Response, request
from flask.views import MethodView
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor

from tests.frameworks.ledger import Endpoint
from tests.frameworks.service import Service

# The first three portions are those of before_request, after_request and teardown_request.
ITEMS = Endpoint("GET /items/<int:item_id>", "/items/{n}", (100, 40, 700, 100))
REPORTS = Endpoint("GET /reports", "/reports", (100, 40, 700, 480, 600))
ORDERS = Endpoint("POST /shop/orders", "/shop/orders", (100, 40, 700, 400, 3_000))
ARCHIVES = Endpoint("GET /archives/<int:year>/<int:month>", "/archives/{n}/12", (100, 40, 700, 1 << 20, 128))
CUSTOMERS = Endpoint("PUT /customers/<int:customer_id>", "/customers/{n}", (100, 40, 700, 10_000))
LEGACY = Endpoint("GET /legacy/<path:page>", "/legacy/shop/{n}", (100, 40, 700, 256, 2_048), renamed="GET /legacy/shop")

service = Service([ITEMS, REPORTS, ORDERS, ARCHIVES, CUSTOMERS, LEGACY])
keep = service.ledger.keep

app = Flask(__name__)
FlaskInstrumentor().instrument_app(app)   # before our before_request: what runs before its own has no span
shop = Blueprint("shop", __name__, url_prefix="/shop")
pool = ThreadPoolExecutor(2)


@app.before_request
def before() -> None:
    """Before every view."""
    keep(service.endpoint_of(request.path), 0)


@app.after_request
def after(response: Response) -> Response:
    """After every view."""
    keep(service.endpoint_of(request.path), 1)
    return response


@app.teardown_request
def teardown(error: BaseException | None) -> None:
    """Before the instrumentation's own, which ends the span."""
    keep(service.endpoint_of(request.path), 2)


@app.get("/items/<int:item_id>")
def items(item_id: int) -> dict[str, int]:
    """In a worker's thread."""
    keep(ITEMS, 3)
    return {"id": item_id}


@app.get("/reports")
def reports() -> dict[str, int]:
    """In spans of its own."""
    with trace.get_tracer("shop").start_as_current_span("SELECT pages"):
        keep(REPORTS, 3)
        with trace.get_tracer("shop").start_as_current_span("render"):
            keep(REPORTS, 4)
    return {"pages": 12}


@shop.before_request
def before_shop() -> None:
    """Before the views of the blueprint."""
    keep(ORDERS, 3)


@shop.post("/orders")
def orders() -> dict[str, int]:
    """Of the blueprint."""
    keep(ORDERS, 4)
    return {"id": 1}


@app.get("/archives/<int:year>/<int:month>")
def archives(year: int, month: int) -> dict[str, int]:
    """With a thread of a pool that is told the context."""
    unpacked = pool.submit(contextvars.copy_context().run, keep, ARCHIVES, 3)
    keep(ARCHIVES, 4)
    unpacked.result()
    return {"files": 3}


class Customers(MethodView):
    """A view that is a class."""

    def put(self, customer_id: int) -> dict[str, int]:
        keep(CUSTOMERS, 3)
        return {"id": customer_id}


@app.get("/legacy/<path:page>")
def legacy(page: str) -> dict[str, str]:
    """Knows better than its route what it is called."""
    keep(LEGACY, 3)
    assert LEGACY.renamed is not None
    trace.get_current_span().update_name(LEGACY.renamed)
    keep(LEGACY, 4)
    return {"page": page}


app.register_blueprint(shop)
app.add_url_rule("/customers/<int:customer_id>", view_func=Customers.as_view("customers"))
