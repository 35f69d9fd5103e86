"""Names and attributes without number: what is made by name is kept by the SDK for good."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from typing import Any

from spanheap import _core
from spanheap.doctor.finding import CannotTell, Finding, size
from spanheap.doctor.setup import Setup
from spanheap.spans import sdk

_SCOPES = 128         # of a provider; all the instrumentations there are make about 60
_INSTRUMENTS = 500    # of a meter
_SETS = 1000          # of attributes, of an instrument
_EXAMPLES = 3
_INSTRUMENT_KINDS = (
    "counter", "up_down_counter", "histogram", "gauge",
    "observable_counter", "observable_up_down_counter", "observable_gauge",
)
_OWN = "spanheap"
_ONE_TRACER = ("tracer = trace.get_tracer(__name__), once a module; what differs from request to request is an attribute of "
               "spans.")


def _examples(names: Iterable[object]) -> str:
    told = sorted(set(map(str, names)))
    shown = ", ".join(repr(name if len(name) <= 40 else name[:40] + "…") for name in told[:_EXAMPLES])
    return shown + (", …" if len(told) > _EXAMPLES else "")


def held_bytes(items: list[Any]) -> int:
    """Of all, by a sample; their scopes belong to them."""
    some = items[:: max(len(items) // 16, 1)][:16]
    sizes = [_core.owned_size(item) + _core.owned_size(getattr(item, "__dict__", None) or 0) for item in some]
    return round(sum(sizes) / len(sizes) * len(items)) if some else 0


def tracers(setup: Setup) -> Iterator[Finding]:
    """A Tracer for each request."""
    found: list[Any] = []
    unknown = False
    for provider in setup.tracers:
        kept = sdk.kept_tracers(provider)
        found += kept or ()
        unknown = unknown or kept is None
    cls = sdk.loaded_type("opentelemetry.sdk.trace", "Tracer")
    if unknown and setup.thorough and cls is not None:   # they are their callers': those that are kept are on the heap
        known = set(map(id, found))
        found += [o for o in gc.get_objects() if type(o) is cls and id(o) not in known]
    scopes = {_name(sdk.tracer_scope(tracer)) for tracer in found}
    if len(scopes) > _SCOPES:
        held = held_bytes(found)
        yield Finding(
            "tracer-names",
            f"{len(found):,} Tracers of {len(scopes):,} names and versions are kept: {_examples(s[0] for s in scopes)}.",
            setup.asked("get_tracer"),
            f"A provider keeps each for good (with older SDKs, whoever asked for it does): {size(held)} so far, and "
            f"more with every new name.",
            held,
            _ONE_TRACER,
        )
    elif unknown and setup.births is not None and len(asked := setup.births.names("get_tracer")) > _SCOPES:
        yield Finding(
            "tracer-names",
            f"Tracers of {len(asked):,} names were asked for: {_examples(asked)}.",
            setup.asked("get_tracer"),
            "This SDK gives each of them to whoever asked for it, for as long as that one, or a span of it, is there; newer "
            "ones keep each for good.",
            None,
            _ONE_TRACER,
        )
    elif unknown and not setup.thorough:
        raise CannotTell("how many Tracers there are (this SDK's provider does not keep them)")


def _name(scope: Any) -> tuple[str, str, str]:
    return tuple(str(getattr(scope, field, None) or "") for field in ("name", "version", "schema_url"))  # type: ignore[return-value]


def meters(setup: Setup) -> Iterator[Finding]:
    """A Meter for each request."""
    for provider in setup.meters:
        found = sdk.meters(provider)
        if found is None:
            raise CannotTell("which Meters a MeterProvider keeps")
        if len(found) > _SCOPES:
            held = held_bytes(list(found))
            yield Finding(
                "meter-names",
                f"{len(found):,} Meters are kept: {_examples(meter.name for meter in found)}.",
                setup.asked("get_meter"),
                f"A provider keeps each for good, with its instruments and their callbacks: {size(held)} so far without "
                f"what these have measured, and more with every new name.",
                held,
                "meter = metrics.get_meter(__name__), once a module.",
            )


def metrics(setup: Setup) -> Iterator[Finding]:
    """An instrument for each request, user or order."""
    for provider in setup.meters:
        for meter in sdk.meters(provider) or ():
            found = sdk.instruments(meter)
            if found is None:
                raise CannotTell("which instruments a Meter keeps")
            if len(found) > _INSTRUMENTS:
                held = held_bytes(list(found))
                methods = [f"create_{kind}" for kind in _INSTRUMENT_KINDS]
                found_at = [setup.asked(m) for m in methods if setup.births is not None and setup.births.most_names(m)]
                yield Finding(
                    "metric-names",
                    f"The meter {meter.name!r} has {len(found):,} instruments: {_examples(i.name for i in found)}.",
                    "; ".join(found_at) or setup.where(meter),
                    f"Each is kept for good, with what it has measured: {size(held)} so far without the latter, and every "
                    f"reader exports them all.",
                    held,
                    "One instrument, made once; what differs is an attribute of its measurements, of few values.",
                )


def attribute_sets(setup: Setup) -> Iterator[Finding]:
    """A metric by user, by order, by URL."""
    for provider in setup.meters:
        found = sdk.attribute_sets(provider)
        if found is None:
            raise CannotTell("how many sets of attributes the instruments of a MeterProvider have")
        for instrument, (number, one) in found.items():
            scope = getattr(instrument, "instrumentation_scope", None)
            if number >= _SETS and getattr(scope, "name", "") != _OWN:
                each = _core.owned_size(one[1]) + _core.owned_size(one[0])
                yield Finding(
                    "attribute-sets",
                    f"The metric {instrument.name!r} is kept apart for {number:,} sets of attributes.",
                    setup.where(instrument),
                    f"Each set has an aggregation of its own that is kept for good ({size(each * number)} so far); with "
                    f"older SDKs there is no bound.",
                    each * number,
                    f'Leave out what identifies (users, orders, URLs): View(instrument_name="{instrument.name}", '
                    f'attribute_keys={{"http.route"}}) keeps those named alone.',
                )


CHECKS = (("tracer-names", tracers), ("meter-names", meters), ("metric-names", metrics), ("attribute-sets", attribute_sets))
