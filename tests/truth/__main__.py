"""python -m tests.truth [SEEDS]: the table of docs/sampling.md."""

from __future__ import annotations

import sys

from tests.truth.measure import measure
from tests.truth.sites import SITES

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
print(f"{seeds} seeds a site")
print("| site | samples a seed | mean / truth | standard errors | spread, observed / derived | objects, mean / truth |")
print("|---|---|---|---|---|---|")
for site in SITES:
    f = measure(site, seeds)
    print(f"| {f.site} | {f.samples:.0f} | {1 + f.bias:.4f} | {f.standard_errors:+.1f} | {f.spread:.2f} "
          f"| {1 + f.objects_bias:.4f} |", flush=True)
