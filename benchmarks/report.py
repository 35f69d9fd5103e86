"""How long a browser takes to open a report of 5,000 sites.

    python -m benchmarks.report [--rounds 5]          # needs selenium, chromium and chromedriver

From the navigation to everything drawn, by the page's own clock, in headless Chromium: the first page of a browser that has
just been started, and one that is opened again; and what it takes to make the page.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from spanheap.report import page
from tests.report import dumps
from tests.report.browser import started

SITES = 5_000
AGAIN = 5   # times, in each browser


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    subject = dumps.large(SITES)
    first, again = [], []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.html")
        began = time.process_time()
        report.write_text(page.render(subject))
        made = time.process_time() - began
        for n in range(rounds):
            with started(Path(folder, f"profile-{n}")) as browser:
                opened = [float(browser.open(report).js("document.documentElement.dataset.ready")) for _ in range(1 + AGAIN)]
            first.append(opened[0])
            again += opened[1:]
        print(f"{SITES:,} sites, {report.stat().st_size / 1e6:.2f} MB, made in {made:.2f} s of CPU time")
    for title, times in (("in a fresh browser", first), ("opened again", again)):
        print(f"{title:20}{statistics.median(times):6.0f} ms   {min(times):.0f} to {max(times):.0f} ms, {len(times)} times")


if __name__ == "__main__":
    main()
