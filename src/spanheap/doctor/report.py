"""An examination as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from spanheap.doctor.examination import Examination
from spanheap.doctor.finding import size
from spanheap.program.execution import Outcome, Target

_INDENT = " " * 7


def text(examination: Examination, outcome: Outcome) -> str:
    n = len(examination.findings)
    if not examination.providers:
        told = "the program has set up no OpenTelemetry SDK: there is nothing to examine"
    elif n:
        told = f"{n} mistake{'s' * (n > 1)} that cost{'s' * (n == 1)} memory"
    else:
        told = "nothing that costs memory without need"
    limit = f"memory limit {size(examination.limit)}" if examination.limit else "no memory limit is visible"
    lines = [
        f"spanheap doctor: {told}",
        f"  {examination.providers} provider{'s' * (examination.providers != 1)} examined in "
        f"{examination.seconds * 1e3:.0f} ms, {limit}; the program ended with: {outcome.how}",
    ]
    for finding in examination.findings:
        lines.append("")
        lines += textwrap.wrap(finding.what, 110, initial_indent="", subsequent_indent=_INDENT)
        for title, content in (("where", finding.where), ("why", finding.why), ("fix", finding.fix)):
            lines += textwrap.wrap(content, 110, initial_indent=f"{title:>5}  ", subsequent_indent=_INDENT,
                                   break_long_words=False, break_on_hyphens=False)
    if examination.unknown:
        lines.append("")
        lines += [f"cannot tell with this SDK: {reason} ({check})" for check, reason in examination.unknown.items()]
    return "\n".join(lines)


def as_json(examination: Examination, target: Target, outcome: Outcome) -> str:
    """One object; documented in docs/doctor.md."""
    result: dict[str, Any] = {
        "providers": examination.providers, "memory_limit": examination.limit,
        "milliseconds": round(examination.seconds * 1e3, 3),
        "target": {"name": target.name, "module": target.is_module, "status": outcome.status, "ended_with": outcome.how},
        "findings": [finding._asdict() for finding in examination.findings],
        "cannot_tell": examination.unknown,
    }
    return json.dumps(result, indent=2)
