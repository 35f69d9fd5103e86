"""One large report for all who want it."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanheap.report import page
from tests.report import dumps


@pytest.fixture(scope="session")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with 5,000 sites."""
    path = tmp_path_factory.mktemp("large") / "large.html"
    path.write_text(page.render(dumps.large()))
    return path
