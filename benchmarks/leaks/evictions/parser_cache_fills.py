"""Parsed templates in an LRU cache of four thousand, full before the half; then every miss drops another. A plain
functools.lru_cache, and an intern table of its field names."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass

from _data import churn, mix, text

KIND = "bounded"
SPAN = "POST /render"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 4
DURATION_S = 5400


@dataclass(frozen=True)
class Node:
    kind: str
    name: str
    body: str


def tokenize(source: str) -> list[tuple[str, str]]:
    pieces = []
    for piece in source.split("{{")[1:]:
        name, _, body = piece.partition("}}")
        pieces.append((name, body))
    return pieces


def source_of(number: int) -> str:
    return "".join(f"{{{{field_{(number + k) % 60}}}}}{text(number * 11 + k, 900)}" for k in range(8))


@functools.lru_cache(maxsize=4000)
def template(number: int) -> tuple[Node, ...]:
    return tuple(Node("field", sys.intern(name), body) for name, body in tokenize(source_of(number)))


class Renderer:
    def __init__(self) -> None:
        self.rendered = 0

    def render(self, number: int, values: dict[str, str]) -> str:
        out = []
        for node in template(number):
            out.append(values.get(node.name, ""))
            out.append(node.body)
        self.rendered += 1
        return "".join(out)


renderer: Renderer


def setup() -> None:
    global renderer
    renderer = Renderer()
    template.cache_clear()


def request(i: int, now: float) -> None:
    number = mix(i) % 50 if i % 3 == 0 else mix(i) % 30_000
    renderer.render(number, {"field_1": "one", "field_7": "seven"})
    churn(i)


def teardown() -> None:
    template.cache_clear()
    del globals()["renderer"]
