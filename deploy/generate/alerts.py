"""The alert rules: what to wake somebody for, what to look at in the morning, and when spanheap itself is not well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deploy.generate.names import expand

RUNBOOK = (
    "Look at spanheap.leak.growth by endpoint; on its machine or in its pod at spanheap top; then at spanheap report of the "
    "last dump. docs/runbook.md has the steps."
)
WHERE = "{{ $labels.job }} at {{ $labels.instance }}"


@dataclass(frozen=True)
class Alert:
    """One rule. expr: a template of `names.expand`."""

    name: str
    expr: str
    hold: str
    severity: str
    summary: str
    description: str


ALERTS: tuple[Alert, ...] = (
    Alert("SpanheapMemoryLimitWithinAnHour", "«spanheap.memory.time_to_limit» < 3600", "5m", "critical",
          f"{WHERE} reaches its memory limit within an hour",
          f"At the rate of the last ten minutes the limit is reached in {{{{ $value | humanizeDuration }}}}. {RUNBOOK}"),
    Alert("SpanheapMemoryLimitWithinADay", "«spanheap.memory.time_to_limit» < 86400", "30m", "warning",
          f"{WHERE} reaches its memory limit within a day",
          f"At the rate of the last ten minutes the limit is reached in {{{{ $value | humanizeDuration }}}}. {RUNBOOK}"),
    Alert("SpanheapMemoryNearLimit", "«spanheap.memory.used» / «spanheap.memory.limit» > 0.9", "5m", "critical",
          f"{WHERE} uses more than 90 % of its memory limit",
          "{{ $value | humanizePercentage }} of the {{ $labels.«@spanheap.memory.limit.source» }} limit. " + RUNBOOK),
    Alert("SpanheapLeak", "«spanheap.leak.count»{«@spanheap.leak.kind»=~\"leak|retained_spans|unended_spans\"} > 0", "10m",
          "warning", f"{WHERE} leaks memory",
          f"{{{{ $value }}}} of the kind {{{{ $labels.«@spanheap.leak.kind» }}}}: the log event spanheap.leak names line, "
          f"endpoint and holder. {RUNBOOK}"),
    Alert("SpanheapGarbageCollectionSlow",
          "sum by (job, instance) (rate(«cpython.gc.pause.duration|_sum»[5m])) > 0.1", "10m", "warning",
          f"{WHERE} stands still for garbage collection",
          "{{ $value | humanizePercentage }} of the time. Objects that live long cost each full collection: see "
          "cpython.gc.pause.duration by generation, and gc.freeze()."),
    Alert("SpanheapSpansShed", "sum by (job, instance) (rate(«spanheap.throttle.shed»[5m])) > 0", "5m", "warning",
          f"{WHERE} sheds spans",
          "{{ $value | humanize }} a second are not exported: memory or the export queue is full. Look at the exporter."),
    Alert("SpanheapProcessDied",
          "«spanheap.recorder.predecessor_deaths»{«@spanheap.death.kind»=~\".+\"} > 0 unless "
          "«spanheap.recorder.predecessor_deaths»{«@spanheap.death.kind»=~\".+\"} offset 15m > 0", "0s", "warning",
          f"a predecessor of {WHERE} died",
          "Kind: {{ $labels.«@spanheap.death.kind» }}. spanheap recover on its recorder file shows what it was doing."),
    Alert("SpanheapDumpsFail", "increase(«spanheap.dump.count»{«@spanheap.dump.outcome»=\"failed\"}[1h]) > 0", "0s",
          "warning", f"{WHERE} cannot write heap dumps",
          "Where: {{ $labels.«@spanheap.dump.reason» }}. The log has the first; a full or read-only disk is usual."),
    Alert("SpanheapProfilesLost",
          "sum by (job, instance, «@spanheap.profile.outcome») "
          "(increase(«spanheap.profile.exports»{«@spanheap.profile.outcome»!=\"exported\"}[15m])) > 0", "15m", "info",
          f"heap profiles of {WHERE} do not arrive",
          "They are {{ $labels.«@spanheap.profile.outcome» }}. The log has the first one, with the receiver's address."),
    Alert("SpanheapBlind", "«spanheap.profiler.status»{«@spanheap.attribution»=\"off\"} > 0 or "
          "«spanheap.profiler.status»{«@spanheap.hook.mode»=\"off\"} > 0", "15m", "info",
          f"spanheap in {WHERE} does not see everything",
          "Samples: {{ $labels.«@spanheap.hook.mode» }}, spans: {{ $labels.«@spanheap.attribution» }}. The log says why."),
    Alert("SpanheapErrors", "increase(«spanheap.profiler.errors»[15m]) > 0", "0s", "info",
          f"spanheap in {WHERE} had errors",
          "In: {{ $labels.«@spanheap.component» }}. The service is not affected; the first one is in the log."),
)


def rules(alerts: Sequence[Alert] = ALERTS, hold: str | None = None) -> dict[str, Any]:
    """A rules file. hold: instead of each rule's own, for a test that cannot wait."""
    return {"groups": [{"name": "spanheap", "rules": [
        {
            "alert": alert.name, "expr": expand(alert.expr), "for": hold or alert.hold,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "description": expand(alert.description)},
        } for alert in alerts
    ]}]}


def unit_tests(rule_file: str) -> dict[str, Any]:
    """For `promtool test rules`: made-up series on which the rules about memory have to fire, and when they must not.

    The time to the limit falls from two hours by a minute a minute, and the use rises to 94 %.
    """
    of = {"job": "orders", "instance": "a:8000"}
    labels = 'job="orders", instance="a:8000"'
    source = "spanheap_memory_limit_source"
    with_source = f'{labels}, {source}="cgroup v2"'
    hour, _, near, *_ = ALERTS

    def fired(alert: Alert, value: str, **more: str) -> dict[str, Any]:
        summary = alert.summary
        for key, text in of.items():
            summary = summary.replace(f"{{{{ $labels.{key} }}}}", text)
        description = expand(alert.description)
        for form in ("{{ $value | humanizeDuration }}", "{{ $value | humanizePercentage }}"):
            description = description.replace(form, value)
        for key, text in more.items():
            description = description.replace(f"{{{{ $labels.{key} }}}}", text)
        return {"exp_labels": {**of, **more, "severity": alert.severity},
                "exp_annotations": {"summary": summary, "description": description}}

    return {
        "rule_files": [rule_file],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [
                {"series": f"{expand('«spanheap.memory.time_to_limit»')}{{{labels}}}", "values": "7200-60x100"},
                {"series": f"{expand('«spanheap.memory.used»')}{{{with_source}}}", "values": "700+3x80 940x20"},
                {"series": f"{expand('«spanheap.memory.limit»')}{{{with_source}}}", "values": "1000x100"},
            ],
            "alert_rule_test": [
                {"eval_time": "60m", "alertname": hour.name, "exp_alerts": []},
                {"eval_time": "65m", "alertname": hour.name, "exp_alerts": []},   # not for five minutes yet
                {"eval_time": "67m", "alertname": hour.name, "exp_alerts": [fired(hour, "53m 0s")]},
                {"eval_time": "70m", "alertname": near.name, "exp_alerts": []},
                {"eval_time": "95m", "alertname": near.name, "exp_alerts": [fired(near, "94%", **{source: "cgroup v2"})]},
            ],
        }],
    }
