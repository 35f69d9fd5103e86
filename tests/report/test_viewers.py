"""Other people's viewers read our dumps: pprof and speedscope, as their own packages have them."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spanheap import open_dump
from tests.report.browser import started

SPEEDSCOPE = "speedscope@1.25.0"

SERVICE = """
import sys, spanheap
from opentelemetry.sdk.trace import TracerProvider

provider = TracerProvider()
kept = []

def remember():
    kept.append(bytearray(64 << 10))

with spanheap.profile(sample_interval=4096, tracer_provider=provider, detect=None, dumps=None, tick=None) as session:
    with provider.get_tracer("t").start_as_current_span("GET /orders"):
        for _ in range(64):
            remember()
    session.tick(1.0)
    session.dump(sys.argv[1])
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump of a process that keeps 4 MiB."""
    path = tmp_path_factory.mktemp("real") / "heap.pb.gz"
    subprocess.run([sys.executable, "-c", SERVICE, path], check=True, timeout=60)
    return path


@pytest.mark.needs("go", "golang-go")
def test_go_tool_pprof_reads_a_dump(real: Path) -> None:
    """`-top`: the same total as ours, and the line that keeps it."""
    done = subprocess.run(
        ["go", "tool", "pprof", "-top", "-sample_index=inuse_space", "-unit=B", real], capture_output=True, text=True,
        timeout=60, check=True, env=os.environ | {"PPROF_TMPDIR": str(real.parent), "HOME": str(real.parent)},
    )
    total = re.search(r"of (\d+)B total", done.stdout)
    assert total and int(total[1]) == open_dump(real).live_bytes
    first = done.stdout.partition("cum%")[2].splitlines()[1]
    assert first.split()[-1] == "remember" and int(first.split()[0].removesuffix("B")) >= 64 * 64 << 10


@pytest.mark.long
@pytest.mark.needs("npm", "npm")
@pytest.mark.needs("chromium", "chromium")
@pytest.mark.needs("chromedriver", "chromium-driver")
@pytest.mark.once(reason="another program's reader")
@pytest.mark.no_sanitizer(reason="the browser would be sanitized too")
def test_speedscope_imports_a_dump(real: Path, tmp_path: Path) -> None:
    """Its importer, from npm, opened as its command line opens it: the functions with their bytes."""
    packed = subprocess.run(["npm", "pack", "--silent", "--pack-destination", tmp_path, SPEEDSCOPE], capture_output=True,
                            text=True, timeout=120, check=False)
    if packed.returncode:
        pytest.skip(f"NOT TESTED: npm cannot get {SPEEDSCOPE}: {packed.stderr.strip()[-200:]}")
    subprocess.run(["tar", "-xzf", next(tmp_path.glob("*.tgz")), "-C", tmp_path], check=True, timeout=60)
    script = tmp_path / "profile.js"
    content = base64.b64encode(real.read_bytes()).decode()
    script.write_text(f"speedscope.loadFileFromBase64({json.dumps(real.name)}, {json.dumps(content)})")
    with started(tmp_path / "profile") as browser:
        browser.driver.get(f"{(tmp_path / 'package/dist/release/index.html').as_uri()}#localProfilePath={script}")
        browser.wait("document.title.startsWith('heap.pb.gz')")
        browser.keys("3")   # its table of functions
        browser.wait(r"/MB \(>?\d+%\)\s+remember\b/.test(document.body.innerText)")   # its rows come after its head
        text = str(browser.js("document.body.innerText"))
    found = re.search(r"([\d.]+) MB \(>?(\d+)%\)\s+remember\b", text)
    assert found and float(found[1]) == pytest.approx(4, rel=0.2) and int(found[2]) > 80
