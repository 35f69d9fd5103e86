"""Propagation is installed for a test, and gone after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spanheap.spans import propagation

from .._blocks import Blocks, traced_blocks
from ._threads import patched


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    """Nothing stays behind."""
    submit, start = patched()
    yield
    propagation.uninstall()
    assert patched() == (submit, start)


@pytest.fixture
def blocks() -> Iterator[Blocks]:
    """Every allocation is sampled, and spans are carried."""
    with traced_blocks() as blocks:
        propagation.install()
        yield blocks
