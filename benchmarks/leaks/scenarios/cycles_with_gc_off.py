"""The collector is switched off for latency, and a tree whose nodes know their parents is built per request.

Large web applications have run with gc.disable(); one back reference is then enough.
"""

from __future__ import annotations

import gc
from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "POST /render"
SITE = "build_tree"
HOLDER = None
REQUESTS_PER_SECOND = 2
DURATION_S = 3600


class Node:
    def __init__(self, parent: Node | None, value: Any) -> None:
        self.parent = parent
        self.children: list[Node] = []
        self.value = value
        if parent is not None:
            parent.children.append(self)


def build_tree(i: int) -> Node:
    root = Node(None, record(i, 1200))
    for k in range(4):
        Node(root, k)
    return root


def setup() -> None:
    gc.disable()


def request(i: int, now: float) -> None:
    work(len(build_tree(i).children))


def teardown() -> None:
    gc.enable()
