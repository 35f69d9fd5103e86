"""Compiled templates in an LRU of 2500: it fills for twenty-five minutes, then each new one puts an old one out."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from _kit import answer, chance, mixed, text

KIND = "bounded"
SPAN = "POST /emails"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 8
DURATION_S = 4800


class Template:
    """A template in the pieces between its variables."""

    def __init__(self, source: str) -> None:
        self.pieces: list[tuple[str, str]] = []
        for part in source.split("{{"):
            name, _, rest = part.rpartition("}}")
            self.pieces.append((name.strip(), rest))

    def render(self, values: dict[str, Any]) -> str:
        return "".join([f"{values.get(name, '')}{rest}" for name, rest in self.pieces])


class Environment:
    def __init__(self, cache_size: int) -> None:
        self.cache_size = cache_size
        self._compiled: OrderedDict[tuple[str, str], Template] = OrderedDict()

    def source(self, customer: str, name: str) -> str:
        seed = hash((customer, name)) & 0xFFFF
        return "{{ greeting }}".join([text(seed + k, 300 + 40 * k) for k in range(12)])

    def template(self, customer: str, name: str) -> Template:
        key = (customer, name)
        template = self._compiled.get(key)
        if template is None:
            template = self._compiled[key] = Template(self.source(customer, name))
            if len(self._compiled) > self.cache_size:
                self._compiled.popitem(last=False)
        else:
            self._compiled.move_to_end(key)
        return template


environment: Environment


def setup() -> None:
    global environment
    environment = Environment(cache_size=2500)


def request(i: int, now: float) -> None:
    customer = f"top-{mixed(i, 2) % 60}" if chance(i, 1, 0.75) else f"customer-{mixed(i, 3) % 40_000}"
    template = environment.template(customer, ("welcome", "invoice", "reminder")[i % 3])
    template.render({"greeting": f"Hello {i}"})
    answer(i)


def teardown() -> None:
    pass
