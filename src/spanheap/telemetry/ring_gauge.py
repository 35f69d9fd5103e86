"""The size of a SpanRing as a gauge.

Instruments cannot be taken back, so there is one for each provider and name, which reports the rings that are alive.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spanheap.telemetry.instrument import SCHEMA_URL
from spanheap.version import __version__

if TYPE_CHECKING:
    from spanheap import SpanRing

_Attributes = Mapping[str, Any]
_exported: weakref.WeakKeyDictionary[Any, dict[str, weakref.WeakKeyDictionary[SpanRing, _Attributes]]]
_exported = weakref.WeakKeyDictionary()


def export(ring: SpanRing, name: str, provider: Any | None, attributes: _Attributes | None) -> None:
    """Report len(ring) under this name for as long as the ring lives; a second call changes the attributes."""
    from opentelemetry import metrics

    if provider is None:
        provider = metrics.get_meter_provider()
    by_name = _exported.setdefault(provider, {})
    if name in by_name:
        by_name[name][ring] = dict(attributes or {})
        return
    rings: weakref.WeakKeyDictionary[SpanRing, _Attributes] = weakref.WeakKeyDictionary({ring: dict(attributes or {})})

    def observe(_options: Any) -> list[metrics.Observation]:
        sums: dict[str, tuple[int, _Attributes]] = {}   # rings with the same attributes are one series
        for ring, attributes in list(rings.items()):
            key = repr(sorted(attributes.items()))
            sums[key] = (len(ring) + sums.get(key, (0,))[0], attributes)
        return [metrics.Observation(size, attributes) for size, attributes in sums.values()]

    meter = provider.get_meter("spanheap", __version__, schema_url=SCHEMA_URL)
    meter.create_observable_gauge(name, [observe], "{span}", "Records that the ring retains.")
    by_name[name] = rings
