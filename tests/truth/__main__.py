"""python -m tests.truth [--seeds N] [--json FILE]: the table of docs/sampling.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.truth.measure import Finding, measure
from tests.truth.sites import SITES

COLUMNS = {
    "site": lambda f: f.site,
    "samples a seed": lambda f: f"{f.samples:.0f}",
    "live bytes, mean / truth": lambda f: f"{1 + f.live.bias:.4f}",
    "standard errors": lambda f: f"{f.live.standard_errors:+.1f}",
    "spread, observed / derived": lambda f: f"{f.live.spread:.2f}",
    "claimed error / derived": lambda f: f"{f.claimed_error:.2f}",
    "allocated bytes, mean / truth": lambda f: f"{1 + f.allocated.bias:.4f}",
    "its standard errors": lambda f: f"{f.allocated.standard_errors:+.1f}",
    "its spread": lambda f: f"{f.allocated.spread:.2f}",
}


def as_json(finding: Finding) -> dict[str, object]:
    """With every estimate, so that other questions can be asked of a run."""
    figures = {name: value._asdict() for name, value in finding._asdict().items() if isinstance(value, tuple)}
    return finding._asdict() | figures


parser = argparse.ArgumentParser(prog="python -m tests.truth", description="Estimates against known bytes, by site.")
parser.add_argument("--seeds", type=int, default=200, help="sessions a site (default 200)")
parser.add_argument("--first-seed", type=int, default=0)
parser.add_argument("--json", type=Path, help="write all estimates to this file, too")
arguments = parser.parse_args()

print(f"{arguments.seeds} seeds a site\n| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
findings = []
for site in SITES:
    findings.append(measure(site, arguments.seeds, arguments.first_seed))
    print(f"| {' | '.join(cell(findings[-1]) for cell in COLUMNS.values())} |", flush=True)
if arguments.json:
    arguments.json.write_text(json.dumps([as_json(finding) for finding in findings]))
