"""A cache of compiled statements is limited to 64 mappers; what it keeps for each mapper is not, and search puts its
literals into the key. Compare SQLAlchemy's compiled cache and `IN` lists."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from _kit import answer, chance, mixed

KIND = "leak"
SPAN = "GET /search"
SITE = "compile_select"
HOLDER = "_mappers"
REQUESTS_PER_SECOND = 10
DURATION_S = 3600

COLUMNS = ("id", "title", "slug", "price", "currency", "stock", "brand", "category", "created_at", "updated_at")


class Compiled:
    __slots__ = ("binds", "result_map", "sql")

    def __init__(self, sql: str, binds: dict[str, Any], result_map: dict[str, tuple[int, str]]) -> None:
        self.sql = sql
        self.binds = binds
        self.result_map = result_map


def compile_select(table: str, criteria: tuple[tuple[str, Any], ...]) -> Compiled:
    columns = ", ".join([f"{table}.{name} AS {table}_{name}" for name in COLUMNS])
    where = []
    binds: dict[str, Any] = {}
    for k, (name, value) in enumerate(criteria):
        where.append(f"{table}.{name} = :{name}_{k}")
        binds[f"{name}_{k}"] = value
    result_map = {}
    for position, name in enumerate(COLUMNS):
        result_map[f"{table}_{name}_{len(criteria)}"] = (position, f"{table}.{name}")
    return Compiled(f"SELECT {columns} FROM {table} WHERE {' AND '.join(where)}", binds, result_map)


class CompiledCache:
    def __init__(self, max_mappers: int = 64) -> None:
        self.max_mappers = max_mappers
        self._mappers: OrderedDict[str, dict[Any, Compiled]] = OrderedDict()

    def statement(self, table: str, criteria: tuple[tuple[str, Any], ...], *, literal: bool = False) -> Compiled:
        statements = self._mappers.get(table)
        if statements is None:
            statements = self._mappers[table] = {}
            while len(self._mappers) > self.max_mappers:
                self._mappers.popitem(last=False)
        self._mappers.move_to_end(table)
        key = criteria if literal else tuple([name for name, _ in criteria])
        compiled = statements.get(key)
        if compiled is None:
            compiled = statements[key] = compile_select(table, criteria)
        return compiled


cache: CompiledCache


def setup() -> None:
    global cache
    cache = CompiledCache()


def request(i: int, now: float) -> None:
    cache.statement(f"table_{mixed(i, 1) % 20}", (("id", i),))
    if chance(i, 2, 0.5):
        cache.statement("products", (("slug", f"blue-shoes-{i}"), ("brand", mixed(i, 3) % 300)), literal=True)
    answer(i)


def teardown() -> None:
    pass
