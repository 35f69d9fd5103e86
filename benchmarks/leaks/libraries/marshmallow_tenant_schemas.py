"""A marshmallow Schema class is made for each uploaded feed under a name of its own; marshmallow's class registry keeps
every class by its name for ever.
"""

from __future__ import annotations

import random

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

KIND = "leak"
SPAN = "POST /feeds"
SITE = "feed_schema"
HOLDER = "_registry"
REQUIRES = ["marshmallow==4.4.0"]
REQUESTS_PER_SECOND = 2
DURATION_S = 2000

_rng = random.Random(19)
_columns = ("sku", "title", "brand", "price", "stock", "colour", "size", "season", "weight", "material")


class BaseFeed(Schema):
    class Meta:
        unknown = EXCLUDE

    source = fields.String(load_default="upload")


def setup():
    pass


def feed_schema(feed, columns):
    declared = {}
    for name in columns:
        if name in ("price", "weight"):
            declared[name] = fields.Float(required=True, validate=validate.Range(min=0))
        elif name == "stock":
            declared[name] = fields.Integer(load_default=0)
        else:
            declared[name] = fields.String(required=name == "sku", validate=validate.Length(max=120))
    return type(f"Feed{feed}Schema", (BaseFeed,), declared)


def rows_of(columns, count):
    rows = []
    for _ in range(count):
        row = {name: f"{name} {_rng.randrange(10_000)}" for name in columns}
        row.update(price=_rng.random() * 90, weight=_rng.random(), stock=_rng.randrange(60))
        rows.append(row)
    return rows


def request(i, now):
    columns = ["sku", *_rng.sample(_columns[1:], 5)]
    schema = feed_schema(f"{i:06d}", columns)(many=True)
    try:
        return len(schema.load(rows_of(columns, 12)))
    except ValidationError as error:
        return error.messages


def teardown():
    from marshmallow import class_registry

    for name in [name for name in class_registry._registry if "Feed" in name]:
        del class_registry._registry[name]
