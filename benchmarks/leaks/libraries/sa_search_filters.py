"""SQLAlchemy's compiled cache fills with the many shapes of a search form's statements and is cut back to its size each
time it is half over; with a connection pool beside it.
"""

from __future__ import annotations

import random

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, and_, create_engine, func, insert, or_, select
from sqlalchemy.pool import StaticPool

KIND = "bounded"
SPAN = "GET /search"
SITE = None
HOLDER = None
REQUIRES = ["sqlalchemy==2.1.9"]
REQUESTS_PER_SECOND = 1.5
DURATION_S = 1800

metadata = MetaData()
columns = ("brand", "colour", "size", "season", "material", "origin", "supplier", "grade", "finish", "label")
article = Table(
    "article",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("price", Float),
    *[Column(name, String(30), index=name == "brand") for name in columns],
)
_engine = None
_rng = random.Random(4)


def setup():
    global _engine
    _engine = create_engine("sqlite://", poolclass=StaticPool, query_cache_size=150)
    metadata.create_all(_engine)
    rows = []
    for n in range(400):
        row = {name: f"{name}-{_rng.randrange(6)}" for name in columns}
        rows.append({"id": n, "price": _rng.random() * 100, **row})
    with _engine.begin() as connection:
        connection.execute(insert(article), rows)


def statement(form):
    clauses = []
    for name, values in form["any"].items():
        clauses.append(or_(*[article.c[name] == value for value in values]))
    if form["cheap"]:
        clauses.append(article.c.price < 50)
    query = select(article.c.id, article.c.price, *[article.c[name] for name in form["show"]]).where(and_(True, *clauses))
    return query.order_by(article.c[form["order"]], article.c.id).limit(20)


def request(i, now):
    names = _rng.sample(columns, _rng.randrange(1, 6))
    form = {
        "any": {name: [f"{name}-{_rng.randrange(6)}" for _ in range(_rng.randrange(1, 3))] for name in names},
        "cheap": _rng.random() < 0.5,
        "show": names[:2],
        "order": _rng.choice(columns),
    }
    with _engine.connect() as connection:
        rows = connection.execute(statement(form)).all()
        total = connection.scalar(select(func.count()).select_from(article))
    return len(rows), total


def teardown():
    _engine.dispose()
