"""The pages of the documentation, and the manifest, fit what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md"))
pytestmark = pytest.mark.once(reason="reads files of the repository")


def test_each_page_is_in_the_navigation_and_no_other() -> None:
    """But the decision records, which their pages link to."""
    named = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == [page for page in PAGES if not page.startswith("decisions/")]


@pytest.mark.parametrize("page", [*(f"docs/{page}" for page in PAGES), "README.md", "CONTRIBUTING.md", "examples/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    """To a file of the repository, and a heading of it."""
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_the_manifest_sets_variables_that_exist() -> None:
    """Those of docs/configuration.md."""
    manifest = (ROOT / "deploy/kubernetes/orders.yaml").read_text()
    known = set(re.findall(r"OTEL_PYTHON_SPANHEAP_\w+", (ROOT / "docs/configuration.md").read_text()))
    used = set(re.findall(r"OTEL_PYTHON_SPANHEAP_\w+", manifest))
    assert used and used <= known
