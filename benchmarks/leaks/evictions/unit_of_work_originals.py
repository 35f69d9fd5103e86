"""A unit of work that lives as long as its worker: the identity map is weak and commit() empties the rest, except the
snapshots by which it finds what is dirty."""

from __future__ import annotations

import json
import weakref
from typing import Any

from _kit import answer, chance, mixed, order_json

KIND = "leak"
SPAN = "PATCH /orders/{id}"
SITE = "UnitOfWork.load"
HOLDER = "_originals"
REQUESTS_PER_SECOND = 8
DURATION_S = 4800


class Entity:
    def __init__(self, key: tuple[str, int], row: dict[str, Any]) -> None:
        self.key = key
        self.row = row


class Database:
    """Answers with rows; keeps nothing."""

    def fetch(self, table: str, number: int) -> str:
        return order_json(number, 10 if table == "orders" else 2)

    def write(self, key: tuple[str, int], row: str) -> None:
        pass


class UnitOfWork:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._identity: weakref.WeakValueDictionary[tuple[str, int], Entity] = weakref.WeakValueDictionary()
        self._originals: dict[tuple[str, int], str] = {}
        self._loaded: list[Entity] = []

    def load(self, table: str, number: int) -> Entity:
        key = (table, number)
        entity = self._identity.get(key)
        if entity is None:
            row = json.loads(self._database.fetch(table, number))
            self._originals[key] = json.dumps(row, separators=(",", ":"))
            entity = self._identity[key] = Entity(key, row)
        self._loaded.append(entity)
        return entity

    def commit(self) -> int:
        written = 0
        for entity in self._loaded:
            now = json.dumps(entity.row, separators=(",", ":"))
            if now != self._originals[entity.key]:
                self._database.write(entity.key, now)
                self._originals[entity.key] = now
                written += 1
        self._loaded.clear()
        return written

    def rollback(self) -> None:
        self._loaded.clear()
        self._identity.clear()
        self._originals.clear()


class OrderService:
    def __init__(self) -> None:
        self.uow = UnitOfWork(Database())

    def patch(self, i: int) -> None:
        order = self.uow.load("orders", i)
        self.uow.load("customers", mixed(i, 2) % 400)
        if chance(i, 1, 0.1):
            order.row["status"] = "held"
        self.uow.commit()


service: OrderService


def setup() -> None:
    global service
    service = OrderService()


def request(i: int, now: float) -> None:
    service.patch(i)
    answer(i)


def teardown() -> None:
    service.uow.rollback()
