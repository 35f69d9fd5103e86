"""Statement log of a database wrapper left on in production: each executed statement is kept with its values.

Seen in a Django-like ORM run with DEBUG.
"""

from __future__ import annotations

import json
import sqlite3

KIND = "leak"
SPAN = "POST /orders"
SITE = "run"
HOLDER = "queries"
REQUESTS_PER_SECOND = 8
DURATION_S = 3600

_db = None


class Database:
    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.queries = []
        self.slowest = 0
        self.connection.set_trace_callback(self._on_statement)

    def _on_statement(self, sql):
        if sql.startswith(("BEGIN", "COMMIT")):
            return
        self.queries.append(sql)

    def run(self, sql, *values):
        cursor = self.connection.execute(sql, values)
        rows = cursor.fetchall()
        cursor.close()
        return rows


class Orders:
    def __init__(self, db):
        self.db = db
        db.run("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, document TEXT)")

    def save(self, number, customer, document):
        self.db.run("INSERT INTO orders (id, customer, document) VALUES (?, ?, ?)", number, customer, json.dumps(document))

    def archive_before(self, number):
        self.db.run("DELETE FROM orders WHERE id < ?", number)

    def find(self, number):
        return self.db.run("SELECT document FROM orders WHERE id = ?", number)


def setup():
    global _db, _orders
    _db = Database(":memory:")
    _orders = Orders(_db)


def request(i, now):
    lines = [
        {"sku": f"SKU-{(i * 7 + k) % 9973:05d}", "quantity": k + 1, "note": f"gift wrap {i % 13}"}
        for k in range(14 + i % 20)
    ]
    _orders.save(i, f"customer-{i % 5000}", {"placed": now, "lines": lines})
    if i % 50 == 0:
        _orders.archive_before(i - 100)
    if i % 5 == 0:
        document = json.loads(_orders.find(i)[0][0])
        assert document["placed"] == now


def teardown():
    _db.connection.close()
