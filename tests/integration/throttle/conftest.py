"""What the tests of the throttle share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ._service import Exporter, Service


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """One that works, until told otherwise, and when the test is over."""
    exporter = Exporter()
    yield exporter
    exporter.works.set()


@pytest.fixture
def service(exporter: Exporter) -> Iterator[Callable[..., Service]]:
    """Makes services, which are shut down when the test is over."""
    made: list[Service] = []

    def make(**options: Any) -> Service:
        made.append(Service(exporter, **options))
        return made[-1]

    yield make
    for one in made:
        one.end_all()
