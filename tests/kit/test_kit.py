"""Dashboard and alert rules: as generated, about metrics that exist, under the names that Prometheus sees."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from deploy.generate import alerts, dashboard, names, rendering
from deploy.generate.__main__ import FOLDER, RULES, files
from tests.receivers import service

pytestmark = pytest.mark.once(reason="text files")
SUFFIXES = {"observable counter": [""], "observable gauge": [""], "observable up-down counter": [""],
            "histogram": ["_bucket", "_sum", "_count"]}
TYPES = {"observable counter": "counter", "observable gauge": "gauge", "observable up-down counter": "gauge",
         "histogram": "histogram"}


def test_what_is_checked_in_is_what_is_generated() -> None:
    """Else: python -m deploy.generate."""
    for path, text in files().items():
        assert path.read_text() == text, path.name


def test_every_metric_is_on_the_dashboard() -> None:
    """And the alert rules are about metrics of the list, or they could not be generated."""
    templates = [expr for _, row in dashboard.ROWS for panel in row for expr, _ in panel.exprs]
    assert set().union(*map(names.mentioned, templates)) == set(names.BY_NAME)
    with pytest.raises(KeyError, match=r"no\.such\.metric"):
        names.expand("«no.such.metric» > 0")
    with pytest.raises(ValueError, match=r"no\.such\.attribute"):
        names.expand("x{«@no.such.attribute»=\"1\"}")


def test_panels_have_places_of_their_own() -> None:
    """Within 24 columns, none over another; each says of what it is."""
    panels = dashboard.dashboard()["panels"]
    cells = [(x, y) for p in panels for g in [p["gridPos"]]
             for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({p["id"] for p in panels}) == len(panels)
    assert all(p["title"] and p["datasource"] and p["targets"] for p in panels if p["type"] != "row")


@pytest.mark.skipif(importlib.util.find_spec("opentelemetry.exporter") is None
                    or importlib.util.find_spec("opentelemetry.exporter.prometheus") is None,
                    reason="needs opentelemetry-exporter-prometheus: pip install 'spanheap[test-receivers]'")
def test_names_types_and_labels_are_those_that_the_exporter_gives(tmp_path: Path) -> None:
    """Each metric of the list is scraped under its name, with its type and the labels that the rules ask for."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.parser import text_string_to_metric_families

    registry = CollectorRegistry()
    meters, traces = MeterProvider([PrometheusMetricReader(registry=registry)]), TracerProvider(shutdown_on_exit=False)
    with service.everything(meters, traces, tmp_path):
        families = {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}
    meters.shutdown()
    for instrument in (names.BY_NAME[name] for name in names.BY_NAME.keys() - service.UNREPORTED):
        name = names.prometheus(instrument.name)
        family = families[name.removesuffix("_total")]
        assert family.type == TYPES[instrument.kind], name
        sampled = {sample.name for sample in family.samples}
        assert sampled >= {name + suffix for suffix in SUFFIXES[instrument.kind]}
        labels = {label for sample in family.samples for label in sample.labels}
        wanted = {names.label(attribute) for attribute in instrument.attributes}
        assert labels >= wanted or instrument.name == "spanheap.recorder.predecessor_deaths"   # nobody died


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What it says of files."""
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.mark.needs("promtool", "prometheus")
def test_prometheus_accepts_the_rules() -> None:
    """All of them."""
    checked = promtool("check", "rules", FOLDER / "prometheus" / RULES)
    assert checked.returncode == 0 and f"{len(alerts.ALERTS)} rules found" in checked.stdout, checked.stderr


@pytest.mark.needs("promtool", "prometheus")
def test_rules_fire_on_made_up_series_and_not_before(tmp_path: Path) -> None:
    """As the checked-in tests of the rules say; with another threshold these tests fail."""
    tests = FOLDER / "prometheus" / "spanheap-alerts-test.yml"
    done = promtool("test", "rules", tests)
    assert done.returncode == 0, done.stdout + done.stderr
    rules = (FOLDER / "prometheus" / RULES).read_text()
    (tmp_path / tests.name).write_text(tests.read_text())
    for threshold in ("3000", "4500"):   # fires too late, fires too early
        (tmp_path / RULES).write_text(rules.replace("< 3600", f"< {threshold}"))
        assert promtool("test", "rules", tmp_path / tests.name).returncode == 1


@pytest.mark.needs("promtool", "prometheus")
def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    """As Prometheus reads it once Grafana has put its variables in."""
    queries = [target["expr"].replace("$__rate_interval", "1m")
               for panel in dashboard.dashboard()["panels"] for target in panel.get("targets", ())]
    rules = [{"record": f"panel:{i}", "expr": query} for i, query in enumerate(queries)]
    path = tmp_path / "rules.yml"
    path.write_text(rendering.yaml({"groups": [{"name": "panels", "rules": rules}]}))
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0 and f"{len(queries)} rules found" in checked.stdout, checked.stderr
    assert json.loads((FOLDER / "grafana" / "spanheap.json").read_text())["uid"] == "spanheap"
