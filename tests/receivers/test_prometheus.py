"""A real Prometheus scrapes the debug server of a service that leaks, with the alert rules of deploy/."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.generate import alerts, rendering
from tests.receivers.rotel import free_port

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "prometheus" / "spanheap-alerts.yml"
HOLD_S = 300.0   # of the alert in question, as shipped
WAIT_S = 30.0
TREND_S = 30.0   # before that nothing is projected
CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: orders
    static_configs: [targets: ["127.0.0.1:{port}"]]
"""


@contextmanager
def leaking(seconds: float) -> Iterator[int]:
    """The service, for at most so long; the port of its debug server."""
    process = subprocess.Popen([sys.executable, "-m", "tests.receivers.leaking", str(seconds)], cwd=ROOT, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.communicate(timeout=20)
    assert process.returncode == 0


@contextmanager
def prometheus(folder: Path, target: int, rules: str) -> Iterator[Callable[[str], Any]]:
    """The server; what asks its API."""
    (folder / "rules.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(CONFIG.format(port=target))
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        def ask(what: str) -> Any:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{what}", timeout=5) as answer:
                    return json.load(answer)["data"]
            except OSError:   # not yet
                assert process.poll() is None, (folder / "prometheus.log").read_text()
                return None
        yield ask
    finally:
        process.terminate()
        process.wait(20)


def until(ask: Callable[[], Any], seconds: float) -> Any:
    """What it says as soon as that is something."""
    deadline = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.2)
    return found


@pytest.mark.long
@pytest.mark.once(reason="what is scraped is the SDK's and the exporter's business")
@pytest.mark.needs("prometheus", "prometheus")
@pytest.mark.skipif(importlib.util.find_spec("opentelemetry.exporter") is None
                    or importlib.util.find_spec("opentelemetry.exporter.prometheus") is None,
                    reason="needs opentelemetry-exporter-prometheus: pip install 'spanheap[test-receivers]'")
def test_the_time_to_limit_alert_fires_on_a_leak(tmp_path: Path, alert_seconds: float) -> None:
    """With the rules as shipped, or in a slice all but how long they hold; nothing about spanheap's own health fires."""
    rules = SHIPPED.read_text() if alert_seconds >= HOLD_S else rendering.yaml(alerts.rules(hold=f"{alert_seconds:.0f}s"))
    with leaking(alert_seconds + 2 * TREND_S + 2 * WAIT_S) as target, prometheus(tmp_path, target, rules) as ask:
        up = until(lambda: [t for t in (ask("targets") or {}).get("activeTargets", ()) if t["health"] != "unknown"], WAIT_S)
        assert [t["health"] for t in up] == ["up"], up[0]["lastError"]
        known = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        assert [rule["name"] for rule in known] == [alert.name for alert in alerts.ALERTS]

        def firing() -> list[Any]:
            return [a for a in ask("alerts")["alerts"] if a["state"] == "firing"
                    and a["labels"]["alertname"] == "SpanheapMemoryLimitWithinAnHour"]

        [alert] = until(firing, alert_seconds + TREND_S + WAIT_S)
        assert alert["labels"]["severity"] == "critical" and 0 < float(alert["value"]) < 600
        assert alert["annotations"]["summary"] == f"orders at 127.0.0.1:{target} reaches its memory limit within an hour"
        names = {a["labels"]["alertname"] for a in ask("alerts")["alerts"]}
        assert not names & {"SpanheapBlind", "SpanheapErrors", "SpanheapSpansShed", "SpanheapDumpsFail"}
        unhealthy = [rule["name"] for group in ask("rules")["groups"] for rule in group["rules"] if rule["health"] != "ok"]
        assert not unhealthy
