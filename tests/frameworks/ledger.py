"""Memory that requests keep for good, and the books about it."""

from __future__ import annotations

import collections
import itertools
import sys
from typing import NamedTuple

from opentelemetry import trace

_BYTES_HEADER = sys.getsizeof(b"")


class Endpoint(NamedTuple):
    """What a request of this kind keeps: one portion of blocks for each of `sizes`, each made at another place."""

    name: str                   # that the instrumentation starts the span with
    url: str                    # {n}: another number each time
    sizes: tuple[int, ...]      # of a block of each portion
    renamed: str | None = None  # what the handler passes to update_name()

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]


class Owner(NamedTuple):
    """Whom a block belongs to."""

    root_name: str
    sampled: bool   # by head sampling


class Ledger:
    """Places for blocks, made beforehand: keeping a block allocates that block and nothing else."""

    def __init__(self, capacity: int, portion: int) -> None:
        self._portion = portion   # bytes; at least one block of any size
        self._blocks: list[bytes | None] = [None] * capacity
        self._owners: list[Owner | None] = [None] * capacity
        self._places = iter(range(capacity))
        self._known: dict[Owner, Owner] = {}   # one object an owner: the books must not grow with the blocks
        self._opened = 0

    def open(self) -> None:
        """The balance begins here."""
        self._opened = self.kept()

    def blocks(self, size: int) -> int:
        """In a portion."""
        return max(1, self._portion // size)

    def keep(self, endpoint: Endpoint, part: int) -> None:
        """Make and keep a portion, for the span that is current."""
        sampled = trace.get_current_span().get_span_context().trace_flags.sampled
        # Nobody can rename a span that is not recorded.
        owner = Owner(endpoint.renamed if endpoint.renamed and sampled else endpoint.name, sampled)
        owner = self._known.setdefault(owner, owner)
        size = endpoint.sizes[part]
        fill(self._blocks, self._owners, itertools.islice(self._places, self.blocks(size)), size - _BYTES_HEADER, owner)

    def kept(self) -> int:
        """Blocks so far."""
        return len(self._owners) - self._owners.count(None)

    def balance(self) -> dict[Owner, dict[int, int]]:
        """Of each owner: how many blocks of which size, since `open`. Nothing may be kept meanwhile."""
        counts: dict[Owner, collections.Counter[int]] = collections.defaultdict(collections.Counter)
        for place in range(self._opened, self.kept()):
            owner, block = self._owners[place], self._blocks[place]
            assert owner is not None
            counts[owner][sys.getsizeof(block)] += 1
        return {owner: dict(of_owner) for owner, of_owner in counts.items()}


def fill(
    blocks: list[bytes | None], owners: list[Owner | None], places: itertools.islice[int], length: int, owner: Owner
) -> None:
    """The place that the samples of all blocks have at the top of their stacks."""
    for place in places:
        blocks[place] = bytes(length)
        owners[place] = owner   # last: a block with an owner is there
