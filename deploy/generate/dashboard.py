"""The Grafana dashboard: what somebody looks at who was told that memory grows, from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deploy.generate.names import BY_NAME, expand

WIDTH, HEIGHT = 8, 8   # of a panel; a row has 24 columns
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_FILTER = 'job=~"$job", instance=~"$instance"'
_UNITS = {"By": "bytes", "By/s": "Bps", "s": "s", "percent": "percentunit"}


@dataclass(frozen=True)
class Panel:
    """exprs: (template of `names.expand` with `$where` for the filter, legend)."""

    title: str
    exprs: tuple[tuple[str, str], ...]
    unit: str = ""
    """By default that of the first metric of the list below; see `_UNITS`."""
    kind: str = "timeseries"
    stacked: bool = False
    text: str = ""


def _of(title: str, metric: str, by: str = "", *, rate: bool = False, **more: Any) -> Panel:
    """One metric, by instance or by an attribute."""
    instrument = BY_NAME[metric]
    expr = f"«{metric}»{{$where}}"
    if rate:
        expr = f"rate({expr}[$__rate_interval])"
    if by:
        expr = f"sum by («@{by}») ({expr})"
    unit = {"By": "By/s", "s": "percent"}.get(instrument.unit, "") if rate else instrument.unit
    legend = f"{{{{«@{by}»}}}}" if by else "{{instance}}"
    return Panel(title, ((expr, legend),), more.pop("unit", unit), text=more.pop("text", instrument.description), **more)


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    ("Is it growing?", (
        Panel("Time to the memory limit", (("min(«spanheap.memory.time_to_limit»{$where})", "first to reach it"),), "s",
              "stat", text="Nothing while memory does not grow steadily."),
        Panel("Verdicts of the leak detector", (("sum by («@spanheap.leak.kind») («spanheap.leak.count»{$where})",
                                                 "{{«@spanheap.leak.kind»}}"),), kind="stat"),
        Panel("Of the limit", (("«spanheap.memory.used»{$where} / «spanheap.memory.limit»{$where}",
                                "{{instance}} ({{«@spanheap.memory.limit.source»}})"),), "percent"),
        Panel("Memory", (
            ("«process.memory.usage»{$where}", "{{instance}} resident"),
            ("«spanheap.memory.limit»{$where}", "{{instance}} limit"),
            ("«spanheap.heap.live»{$where}", "{{instance}} live Python heap"),
            ("«cpython.memory.arenas»{$where}", "{{instance}} arenas"),
        ), "By", text="Resident far above live: native memory, or fragmentation where the arenas are far above it, too."),
        Panel("Growth", (
            ("«spanheap.memory.growth»{$where}", "{{instance}} memory"),
            ("«spanheap.heap.growth»{$where}", "{{instance}} Python heap"),
        ), "By/s"),
        _of("Address space", "process.memory.virtual"),
    )),
    ("Which endpoint?", (
        _of("Live heap by endpoint", "spanheap.heap.live_by_root", "spanheap.root_span.name", stacked=True),
        _of("Growth of verdicts by endpoint", "spanheap.leak.growth", "spanheap.root_span.name"),
        Panel("Live heap by label", (("sum by («@spanheap.label.key», «@spanheap.label.value») "
                                      "(«spanheap.heap.live_by_label»{$where})",
                                      "{{«@spanheap.label.key»}}={{«@spanheap.label.value»}}"),), "By", stacked=True,
              text="For the keys given as label_metrics=."),
        _of("Allocated", "spanheap.heap.allocated", rate=True),
        _of("Live objects", "spanheap.heap.live_objects"),
    )),
    ("Spans", (
        _of("Active", "spanheap.span.active"),
        Panel("Kept after their end, or never ended", (
            ("«spanheap.span.retained»{$where}", "{{instance}} retained"),
            ("«spanheap.span.unended»{$where}", "{{instance}} unended"),
        ), text="Estimated. Retained: something but an export queue refers to them."),
        Panel("Memory of these", (
            ("«spanheap.span.retained_memory»{$where}", "{{instance}} retained"),
            ("«spanheap.span.unended_memory»{$where}", "{{instance}} unended"),
        ), "By"),
        _of("Retained by name", "spanheap.span.retained_by_name", "spanheap.span.name"),
        _of("Unended by name", "spanheap.span.unended_by_name", "spanheap.span.name"),
        _of("Records of ended spans by state", "spanheap.span.records", "spanheap.span.state", stacked=True),
        _of("Shed by the throttle, a second", "spanheap.throttle.shed", "spanheap.throttle.reason", rate=True),
        _of("Level of the throttle", "spanheap.throttle.level"),
        _of("Errors waiting in the throttle", "spanheap.throttle.waiting"),
    )),
    ("CPython", (
        Panel("Time in garbage collection", (("sum by («@cpython.gc.generation») "
                                              "(rate(«cpython.gc.pause.duration|_sum»{$where}[$__rate_interval]))",
                                              "generation {{«@cpython.gc.generation»}}"),), "percent"),
        Panel("Pause of a collection, 99th percentile", ((
            "histogram_quantile(0.99, sum by (le, «@cpython.gc.generation») "
            "(rate(«cpython.gc.pause.duration|_bucket»{$where}[$__rate_interval])))",
            "generation {{«@cpython.gc.generation»}}"),), "s"),
        _of("Blocks of pymalloc", "cpython.memory.allocated_blocks"),
        _of("asyncio tasks", "cpython.asyncio.task.count"),
    )),
    ("spanheap itself", (
        _of("CPU", "spanheap.profiler.cpu.time", rate=True),
        _of("Memory of its tables", "spanheap.profiler.memory"),
        Panel("Tables in use", (("«spanheap.table.usage»{$where} / «spanheap.table.limit»{$where}",
                                 "{{instance}} {{«@spanheap.table.name»}}"),), "percent"),
        _of("Samples, a second", "spanheap.sample.count", rate=True),
        _of("Mean bytes between samples", "spanheap.sample.interval"),
        _of("Losses, a second", "spanheap.profiler.losses", "spanheap.loss.reason", rate=True),
        _of("Errors, a second", "spanheap.profiler.errors", "spanheap.component", rate=True),
        Panel("Dumps", (("sum by («@spanheap.dump.outcome», «@spanheap.dump.reason») («spanheap.dump.count»{$where})",
                         "{{«@spanheap.dump.outcome»}} {{«@spanheap.dump.reason»}}"),)),
        _of("Profiles sent over OTLP, a second", "spanheap.profile.exports", "spanheap.profile.outcome", rate=True),
        _of("Size of these", "spanheap.profile.sent", rate=True),
        _of("Deaths of predecessors", "spanheap.recorder.predecessor_deaths", "spanheap.death.kind"),
        Panel("Status", (("«spanheap.profiler.status»{$where}", "{{instance}}: hook {{«@spanheap.hook.mode»}}, "
                          "spans {{«@spanheap.attribution»}}"),), kind="stat"),
    )),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y += 1
        for i, panel in enumerate(row):
            panels.append(_rendered(panel, len(panels) + 1, x=i % 3 * WIDTH, y=y + i // 3 * HEIGHT))
        y += -(-len(row) // 3) * HEIGHT
    return {
        "uid": "spanheap", "title": "spanheap: which request holds the memory?",
        "tags": ["spanheap", "opentelemetry", "python"],
        "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "30s", "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"}, "annotations": {"list": []}, "links": [],
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
            _variable("job", 'label_values(«spanheap.profiler.status», job)'),
            _variable("instance", 'label_values(«spanheap.profiler.status»{job=~"$job"}, instance)'),
        ]},
        "panels": panels,
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {"name": name, "type": "query", "datasource": _DATASOURCE, "query": expand(query), "refresh": 2, "multi": True,
            "includeAll": True, "current": {"text": "All", "value": "$__all"}, "label": name.capitalize()}


def _rendered(panel: Panel, number: int, *, x: int, y: int) -> dict[str, Any]:
    custom = {"stacking": {"mode": "normal"}, "fillOpacity": 30} if panel.stacked else {"fillOpacity": 0}
    options: dict[str, Any] = {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                               "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "value_and_name"}
    return {
        "id": number, "type": panel.kind, "title": panel.title, "description": panel.text, "datasource": _DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT}, "options": options,
        "fieldConfig": {"defaults": {"unit": _UNITS.get(panel.unit, "short"), "custom": custom}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": _DATASOURCE, "expr": expand(expr).replace("$where", _FILTER),
             "legendFormat": expand(legend)}
            for i, (expr, legend) in enumerate(panel.exprs)
        ],
    }
