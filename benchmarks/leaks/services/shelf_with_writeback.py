"""A shelf opened with writeback=True keeps each entry it ever handed out until sync().

Seen in a visit tracker; one endpoint of three.
"""

from __future__ import annotations

import os
import shelve
import sqlite3
import tempfile
from collections.abc import MutableMapping

KIND = "leak"
SPAN = "POST /visits"
ENDPOINTS = [("GET /health", 4), ("POST /visits", 3), ("GET /pages/{page}", 5)]
SITE = "open_visit"
HOLDER = "_visits"
REQUESTS_PER_SECOND = 22
DURATION_S = 2400


class SqliteFile(MutableMapping):
    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode=OFF")
        self.db.execute("PRAGMA synchronous=OFF")
        self.db.execute("CREATE TABLE shelf (key BLOB PRIMARY KEY, value BLOB)")

    def __getitem__(self, key):
        row = self.db.execute("SELECT value FROM shelf WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return row[0]

    def __setitem__(self, key, value):
        self.db.execute("REPLACE INTO shelf VALUES (?, ?)", (key, value))

    def __delitem__(self, key):
        self.db.execute("DELETE FROM shelf WHERE key = ?", (key,))

    def __iter__(self):
        return (key for (key,) in self.db.execute("SELECT key FROM shelf"))

    def __len__(self):
        return self.db.execute("SELECT count(*) FROM shelf").fetchone()[0]


def open_visit(number, now):
    visit = {
        "id": number,
        "at": now,
        "agent": f"Mozilla/5.0 ({number % 97})",
        "pages": [f"/page/{(number + k) % 300}?visit={number}" for k in range(16)],
        "marks": {},
    }
    _visits[f"visit-{number}"] = visit
    return visit


def mark(number, name, now):
    _visits[f"visit-{number}"]["marks"][name] = now


def render_page(number):
    return "".join(f"<p>{number} paragraph {k}</p>" for k in range(30))


def setup():
    global _visits, _folder
    _folder = tempfile.TemporaryDirectory()
    _visits = shelve.Shelf(SqliteFile(os.path.join(_folder.name, "visits.db")), writeback=True)


def request(i, now, endpoint):
    if endpoint == "POST /visits":
        open_visit(i, now)
        mark(i, "landed", now)
    elif endpoint == "GET /health":
        return {"status": "up", "at": now}
    else:
        return render_page(i % 300)


def teardown():
    _visits.cache.clear()
    _visits.dict.db.close()
    _folder.cleanup()
