"""Each connection of a pool keeps its own prepared statements, the last hundred and twenty of them; they fill for a
quarter of an hour.

Seen with a database driver.
"""

from __future__ import annotations

import random
from collections import OrderedDict

KIND = "bounded"
SPAN = "GET /reports/{name}"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 12
DURATION_S = 3600

CONNECTIONS = 14
PER_CONNECTION = 120
QUERIES = 420


class Statement:
    def __init__(self, name, text):
        self.name = name
        self.text = text
        self.columns = [
            {"name": f"column_{k}", "type": k % 7, "table": f"t{len(text) % 40}.{k}"} for k in range(12 + len(text) % 10)
        ]
        self.executions = 0


class Connection:
    def __init__(self, number):
        self.number = number
        self._statements = OrderedDict()
        self._prepared = 0

    def prepare(self, text):
        statement = self._statements.get(text)
        if statement is not None:
            self._statements.move_to_end(text)
            return statement
        self._prepared += 1
        statement = self._statements[text] = Statement(f"s{self._prepared}", text)
        if len(self._statements) > PER_CONNECTION:
            self._statements.popitem(last=False)
        return statement


class Pool:
    def __init__(self, size):
        self.idle = [Connection(number) for number in range(size)]

    def query(self, choose, text):
        connection = self.idle.pop(choose % len(self.idle))
        try:
            statement = connection.prepare(text)
            statement.executions += 1
            return statement.name
        finally:
            self.idle.append(connection)


_pool = None
_random = None


def setup():
    global _pool, _random
    _pool = Pool(CONNECTIONS)
    _random = random.Random(77)


def request(i, now):
    query = int(_random.random() ** 1.7 * QUERIES)
    text = (
        f"SELECT report_{query}.* FROM report_{query} JOIN tenants USING (tenant) WHERE tenant = $1 AND day >= $2"
        + " AND flag" * (query % 25)
    )
    return _pool.query(_random.randrange(CONNECTIONS), text)


def teardown():
    _pool.idle.clear()
