"""A router's trie learns each path with its ids: no container of it is large, the whole grows."""

from __future__ import annotations

from _load import work

KIND = "leak"
SPAN = "GET /{path}"
SITE = "Node.insert"
HOLDER = "routes"
REQUESTS_PER_SECOND = 6
DURATION_S = 3600


class Node:
    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.count = 0

    def insert(self, path: str) -> None:
        node = self
        for letter in path:
            node = node.children.setdefault(letter, Node())
        node.count += 1


routes = Node()


def setup() -> None:
    routes.children.clear()


def request(i: int, now: float) -> None:
    routes.insert(f"{i * 2654435761 % 2**32:08x}")
    work(i)


def teardown() -> None:
    routes.children.clear()
