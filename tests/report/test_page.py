"""The file itself, without a browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html.parser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spanheap.report import page, subject
from tests.report import dumps

pytestmark = pytest.mark.once(reason="text from data")
SCRIPT = Path(__file__).parents[2] / "scripts/vendor-report-libraries"


class Reader(html.parser.HTMLParser):
    """Elements and the text of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self.texts.setdefault(tag, []).append("")

    def handle_data(self, text: str) -> None:
        if self.tags:
            self.texts[self.tags[-1][0]][-1] += text


def read(content: str) -> Reader:
    """Parse it."""
    reader = Reader()
    reader.feed(content)
    return reader


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A usual report."""
    return page.render(subject.of_file(dumps.with_verdict(tmp_path_factory.mktemp("plain"))))


def test_nothing_is_asked_of_a_network(plain: str) -> None:
    """No element names another file, and the page's policy would not let it."""
    for tag, attributes in read(plain).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
        assert not any(name.startswith("on") for name in attributes)
    assert "@import" not in plain and "url(http" not in plain
    assert "default-src 'none'" in plain


def test_the_policy_allows_the_scripts_of_the_page_and_no_others(plain: str) -> None:
    """By the hashes of exactly these."""
    reader = read(plain)
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    scripts: list[str] = re.findall(r"<script>(.*?)</script>", plain, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}
    assert policy is not None and set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert "script-src 'unsafe" not in policy and len(scripts) == len(hashes) > 5


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Markup, the end of a script and our own places to fill in, in every name of a dump: no element comes of them."""
    content = page.render(subject.of_file(dumps.hostile(tmp_path)))
    ordinary = page.render(subject.of_file(dumps.with_verdict(tmp_path)))
    count = [sum(t in ("img", "script", "style") for t, _ in read(c).tags) for c in (content, ordinary)]
    assert count[0] == count[1]
    assert dumps.EVIL in "".join(read(content).texts["h1"]) + "".join(read(content).texts["code"])
    assert dumps.EVIL in packed(content)["strings"]


def packed(content: str) -> dict[str, Any]:
    """What the scripts draw from."""
    found = re.search(r'id="data">([A-Za-z0-9+/=]*)<', content)
    assert found
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


def test_names_and_stacks_have_a_bound(tmp_path: Path) -> None:
    """A file with names of megabytes, and with a stack of 100,000 frames, is a page that can be opened."""
    deep = (dumps.MAIN, *[dumps.ROUTE] * 100_000)
    long = "x" * 2_000_000
    path = dumps.write(tmp_path / "heap.pb.gz", [(deep, 5, dumps.labels(long, long, **{long: long})), (dumps.SEARCH, 1, {})],
                       comments=[f"service.name={long}", f"holder.1={long} site={long}"])
    content = page.render(subject.of_file(path))
    assert len(content) < 300_000 and len(packed(content)["sites"]["up"]) < 600
    assert max(map(len, packed(content)["strings"])) == 1000


def test_the_verdict_and_the_facts_need_no_script(plain: str) -> None:
    """They are in the markup."""
    assert "<code>GET /orders</code> keeps <strong>41.0 MiB</strong> more every minute" in plain
    assert "<dt>process.pid</dt><dd>7</dd>" in plain


def test_five_thousand_sites_are_two_megabytes_at_most(large_page: Path) -> None:
    """Even when their stacks share little."""
    content = large_page.read_text()
    assert len(packed(content)["sites"]["rows"][0]) == 5000
    assert large_page.stat().st_size <= 2_000_000


def test_half_a_pair_of_surrogates_does_no_harm(tmp_path: Path) -> None:
    """JSON can hold what UTF-8 cannot."""
    verdict = dumps.VERDICT | {"root_name": "GET /\ud800"}
    path = dumps.service(tmp_path, comments=[f"verdict.1={json.dumps(verdict)}"])
    assert page.render(subject.of_file(path)).encode("utf-8", "replace")


def test_the_licence_of_each_library_is_in_the_file(plain: str) -> None:
    """As their authors ask of copies."""
    for library in page.libraries():
        assert f"{library['package']} {library['version']} ({library['licence']['name']})" in plain
    text = " ".join(plain.split())
    assert "Permission to use, copy, modify, and/or distribute" in text and "Apache License" in text


@pytest.mark.skipif(not SCRIPT.exists(), reason="the script is in the repository, not in the wheel")
def test_the_libraries_are_those_that_were_published(tmp_path: Path) -> None:
    """The script finds each sum right, and a changed byte."""
    assert subprocess.run([sys.executable, SCRIPT], capture_output=True, timeout=60, check=False).returncode == 0
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    vendor = tmp_path / "src/spanheap/report/vendor"
    shutil.copytree(SCRIPT.parent.parent / "src/spanheap/report/vendor", vendor)
    (vendor / "uPlot.iife.min.js").write_bytes((vendor / "uPlot.iife.min.js").read_bytes() + b" ")
    done = subprocess.run([sys.executable, tmp_path / "scripts" / SCRIPT.name], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 1 and "uPlot.iife.min.js has the SHA-256" in done.stderr


def test_the_installed_package_has_the_libraries() -> None:
    """As they are listed, with nothing else beside them."""
    folder = Path(page.__file__).parent / "vendor"
    listed = {"libraries.json"}
    for library in page.libraries():
        for file in [library["licence"], *library["files"]]:
            listed.add(file["as"])
            assert hashlib.sha256((folder / file["as"]).read_bytes()).hexdigest() == file["sha256"]
    assert {path.name for path in folder.iterdir()} == listed
