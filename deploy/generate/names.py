"""Names in Prometheus: those that opentelemetry-exporter-prometheus gives, and the collector's exporter likewise.

The name with underscores, then the unit in full unless it is an annotation in braces, then `_total` of a counter.
"""

from __future__ import annotations

from spanheap.telemetry import catalogue

BY_NAME = {instrument.name: instrument for instrument in catalogue.ALL}

_UNITS = {"By": "bytes", "By/s": "bytes_per_second", "s": "seconds"}


def label(attribute: str) -> str:
    return attribute.replace(".", "_")


def prometheus(name: str) -> str:
    """Of the metric with this OpenTelemetry name; of a histogram, without `_bucket`, `_sum` or `_count`.

    Raises KeyError for a name that is not in the list, and for a unit whose name is not known here: of `1` the collector's
    exporter makes `_ratio`, the SDK's nothing, so that no instrument has it.
    """
    instrument = BY_NAME[name]
    parts = [label(name)]
    if not instrument.unit.startswith("{"):
        parts.append(_UNITS[instrument.unit])
    if instrument.kind == "observable counter":
        parts.append("total")
    return "_".join(parts)


def expand(template: str) -> str:
    """PromQL, from a template with OpenTelemetry's names: `«process.memory.usage»` for a metric, `«name|_sum»` for a part of
    a histogram, `«@spanheap.leak.kind»` for an attribute.

    Raises KeyError for a metric, ValueError for an attribute that is not in the list.
    """
    known = {attribute for instrument in catalogue.ALL for attribute in instrument.attributes}
    out, rest = "", template
    while "«" in rest:
        before, rest = rest.split("«", 1)
        name, rest = rest.split("»", 1)
        if name.startswith("@"):
            if name[1:] not in known:
                raise ValueError(f"no metric has the attribute {name[1:]!r}")
            out += before + label(name[1:])
        else:
            base, _, suffix = name.partition("|")
            out += before + prometheus(base) + suffix
    return out + rest


def mentioned(template: str) -> set[str]:
    """The metrics in such an expression, by OpenTelemetry's names."""
    found = {part.split("»")[0].partition("|")[0] for part in template.split("«")[1:]}
    return {name for name in found if not name.startswith("@")}
