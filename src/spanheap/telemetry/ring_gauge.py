"""The size of a SpanRing as a gauge.

Instruments cannot be taken back, so there is one for each provider and name, which reports the rings that are alive. A
callback raises nothing: a ring whose clock does is left out, which is logged once.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spanheap.telemetry.instrument import SCHEMA_URL
from spanheap.version import __version__

if TYPE_CHECKING:
    from spanheap import SpanRing

logger = logging.getLogger("spanheap")

_Attributes = Mapping[str, Any]
_Rings = weakref.WeakKeyDictionary["SpanRing", _Attributes]
_exported: weakref.WeakKeyDictionary[Any, dict[str, _Rings]] = weakref.WeakKeyDictionary()
_failed: weakref.WeakSet[SpanRing] = weakref.WeakSet()


def export(ring: SpanRing, name: str, provider: Any | None, attributes: _Attributes | None) -> None:
    """Report len(ring) under this name for as long as the ring lives; a second call changes the attributes."""
    from opentelemetry import metrics

    if provider is None:
        provider = metrics.get_meter_provider()
    by_name = _gauges_at(provider)
    if name in by_name:
        by_name[name][ring] = dict(attributes or {})
        return
    rings: _Rings = weakref.WeakKeyDictionary({ring: dict(attributes or {})})

    def observe(_options: Any) -> list[metrics.Observation]:
        sums: dict[str, tuple[int, _Attributes]] = {}   # rings with the same attributes are one series
        for ring, attributes in list(rings.items()):
            key = repr(sorted(attributes.items()))
            try:
                sums[key] = (len(ring) + sums.get(key, (0,))[0], attributes)
            except Exception:   # its clock is the application's
                if ring not in _failed:
                    _failed.add(ring)
                    logger.exception("spanheap: metrics: %s leaves out %r; later failures are not told", name, ring)
        return [metrics.Observation(size, attributes) for size, attributes in sums.values()]

    meter = provider.get_meter("spanheap", __version__, schema_url=SCHEMA_URL)
    meter.create_observable_gauge(name, [observe], "{span}", "Records that the ring retains.")
    by_name[name] = rings


def _gauges_at(provider: Any) -> dict[str, _Rings]:
    """By name. Until a global provider is set, the API's proxy stands for it, and what was made there is made here."""
    by_name = _exported.setdefault(provider, {})
    for proxy in [other for other in _exported if getattr(other, "_real_meter_provider", None) is provider]:
        for name, rings in _exported.pop(proxy).items():
            of_both = by_name.setdefault(name, rings)
            if of_both is not rings:   # two instruments, of which one has nothing to report from now on
                of_both.update(rings)
                rings.clear()
    return by_name
