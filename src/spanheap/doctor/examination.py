"""One examination: all checks, on what is there now."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.doctor import exporters, limits, names, queues, readers, setup, span_cache
from spanheap.doctor.births import Births
from spanheap.doctor.finding import CannotTell, Finding

# What holds memory now, what will, what makes it worse; findings are told in this order.
CHECKS = (*span_cache.CHECKS, *exporters.CHECKS, *names.CHECKS, *queues.CHECKS, *readers.CHECKS, *limits.CHECKS)
_MOST = 5   # findings of one check: the others are of the same kind


class Examination(NamedTuple):
    """What `examine()` returns."""

    findings: list[Finding]
    """By check, what holds memory now first; at most five of a check."""
    unknown: dict[str, str]
    """By check: what it could not tell with this SDK."""
    providers: int
    """That were examined; 0: the SDK is not in use."""
    limit: int | None
    """Of memory, in bytes, that sizes were held against; None: none is visible."""
    seconds: float
    """It took."""


def examine(*providers: Any, births: Births | None = None, thorough: bool = False) -> Examination:
    """Examine the global providers and those given.

    births: where objects were made, if that was noted. thorough: look for further providers and for ended spans on the
    whole heap, which takes a tenth of a second for a million objects; else it takes a millisecond or two.
    """
    began = time.perf_counter()
    findings: list[Finding] = []
    unknown: dict[str, str] = {}
    with _core.Muted():
        found = setup.find(*providers, births=births, thorough=thorough)
        for check, examine_one in CHECKS:
            of_check: list[Finding] = []
            try:
                for finding in examine_one(found):   # what it found before it could not tell stays
                    of_check.append(finding)
            except CannotTell as reason:
                unknown[check] = str(reason)
            except Exception as error:   # the service's own make, or an SDK that is not as expected
                unknown[check] = f"{type(error).__name__}: {error}"
            findings += of_check[:_MOST]
    number = len(found.tracers) + len(found.meters) + len(found.loggers)
    return Examination(findings, unknown, number, found.limit, time.perf_counter() - began)
