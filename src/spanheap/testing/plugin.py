"""For pytest, which finds it by its entry point: the fixture `spanheap_session`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from spanheap.session import Session


@pytest.fixture
def spanheap_session() -> Iterator[Session]:
    """A session that looks at every allocation, for one test; without a tick thread. `assert_no_growth` uses it, too."""
    from spanheap.testing.assertion import every_allocation  # only tests that ask for it pay

    with every_allocation(None) as session:
        yield session
