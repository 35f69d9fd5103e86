"""An audit's findings as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from spanheap.audit.audit import Audit
from spanheap.audit.finding import Finding
from spanheap.audit.growth import MIN_READINGS
from spanheap.program.execution import Outcome, Target

_KINDS = {"keeps_spans": "KEEPS SPANS", "grows": "GROWS"}


def text(audit: Audit, findings: list[Finding], outcome: Outcome) -> str:
    n = len(findings)
    caches = "no cache grows without bound" if not n else f"{n} cache{'s' * (n > 1)} grow{'s' * (n == 1)} without bound"
    if not audit.is_conclusive():
        caches = "too short a run to tell"
    lines = [f"spanheap audit: {caches}", f"  {audit.looks} looks in {audit.seconds:.1f} s, {audit.spans:,} spans ended, "
             f"longest pause {audit.longest_pause_s * 1e3:.0f} ms; the program ended with: {outcome.how}"]
    if not audit.is_conclusive():
        lines.append(f"  At least {MIN_READINGS} looks with work between them are needed: run it longer, or give a shorter "
                     "--interval.")
    for f in findings:
        lines += ["", f"{_KINDS[f.kind]:<12}{f.holder}", f"            {_figures(f)}"]
        lines += textwrap.wrap(f.advice, 100, initial_indent=" " * 12, subsequent_indent=" " * 12)
    return "\n".join(lines)


def _figures(f: Finding) -> str:
    rate = f"{f.per_minute:+,.0f} a minute" if f.per_1000_spans is None else f"{f.per_1000_spans:+,.0f} per 1,000 spans"
    span = f', spans like "{f.span_name}"' if f.span_name else ""
    return f"{f.entries:,} entries, about {_size(f.bytes)}, {f.per_look:+,.0f} a look, {rate}{span}"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def as_json(audit: Audit, findings: list[Finding], target: Target, outcome: Outcome) -> str:
    """One object; documented in docs/audit.md."""
    result: dict[str, Any] = {
        "conclusive": audit.is_conclusive(), "looks": audit.looks, "seconds": round(audit.seconds, 3), "spans": audit.spans,
        "longest_pause_ms": round(audit.longest_pause_s * 1e3, 3),
        "target": {"name": target.name, "module": target.is_module, "status": outcome.status, "ended_with": outcome.how},
        "findings": [f._asdict() for f in findings],
    }
    return json.dumps(result, indent=2, ensure_ascii=False)
