"""The command from files to JSON, on scenarios of a few virtual seconds in processes of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.leaks import __main__ as command
from benchmarks.leaks import frozen

pytestmark = pytest.mark.once(reason="the command of the benchmark")

TEXT = '''"""A map that grows; of a test."""
KIND = "leak"
SPAN = "GET /"
SITE = "keep"
HOLDER = "kept"
REQUESTS_PER_SECOND = 5
DURATION_S = 40
{extra}
kept = []
def keep(i): kept.append(bytearray(20_000))
def setup(): {setup}
def request(i, now): keep(i)
def teardown(): kept.clear()
'''

CONTRACT = {
    "name", "kind", "skipped", "verdicts", "hit", "false_alarm", "site_top1", "site_top3", "span_ok", "holder_ok",
    "time_to_detect_s", "leaked_bytes_at_detection", "run_s",
}
TOTALS = {
    "leaks", "recall", "precision", "false_alarms_per_day", "site_top1", "site_top3", "span_ok", "holder_ok",
    "median_time_to_detect_s",
}


def scenario(folder: Path, name: str, *, extra: str = "", setup: str = "pass") -> None:
    """Write a scenario of 40 virtual seconds."""
    (folder / f"{name}.py").write_text(TEXT.format(extra=extra, setup=setup))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    """One run over a good scenario and three that cannot be run."""
    folder = tmp_path_factory.mktemp("scenarios")
    scenario(folder, "good")
    scenario(folder, "crashes", setup="import os; os._exit(3)")
    scenario(folder, "raises", setup="1 / 0")
    scenario(folder, "needs_more", extra='REQUIRES = ["nonexistent-package==1.0"]\nimport nonexistent_package')
    out = folder / "out.json"
    status = command.main(["--scenarios", str(folder), "--json", str(out)])
    return status, json.loads(out.read_text())


def test_json_is_the_contract(result: tuple[int, dict[str, Any]]) -> None:
    """Its keys are all there, for scenarios, totals and both baselines; the run completed."""
    status, document = result
    assert status == 0
    assert {"scenarios", "totals", "baselines", "halves"} <= set(document)
    assert all(set(one) >= CONTRACT for one in document["scenarios"])
    assert set(document["totals"]) == TOTALS
    assert len(document["baselines"]) == 2 and all(set(of) == TOTALS for of in document["baselines"].values())
    assert set(document["halves"]) == set(frozen.HALVES)


def test_what_cannot_be_run_is_told_apart(result: tuple[int, dict[str, Any]]) -> None:
    """Skipped for a requirement; failed when it raises, and when it takes the process along. Neither has passed."""
    by_name = {one["name"]: one for one in result[1]["scenarios"]}
    assert by_name["needs_more"]["skipped"] and "nonexistent-package==1.0" in by_name["needs_more"]["reason"]
    assert by_name["raises"]["failed"] and "ZeroDivisionError" in by_name["raises"]["reason"]
    assert by_name["crashes"]["failed"] and "status 3" in by_name["crashes"]["reason"]
    assert not any(by_name[name]["hit"] for name in ("needs_more", "raises", "crashes"))
    assert not by_name["good"]["failed"] and by_name["good"]["run_s"] > 0
    assert result[1]["totals"]["leaks"] == 3


def test_process_that_hangs_is_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And reported, not waited for."""
    scenario(tmp_path, "hangs", setup="__import__('time').sleep(600)")
    assert command.main(["--scenarios", str(tmp_path), "--no-baselines", "--timeout", "1"]) == 0
    assert "FAILED hangs (seed 1): took longer than 1 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "ended_span_map"], "no scenario ended_span_map"),
        (["--scenarios", "/nowhere"], "must be a folder"),
    ],
)
def test_wrong_choice_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With status 2, and without running anything."""
    assert command.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_wrong_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """As argparse does it."""
    for arguments, message in ((["--seeds", "0"], "--seeds must be at least 1"), (["--json", "/nowhere/x"], "/nowhere")):
        with pytest.raises(SystemExit):
            command.main(arguments)
        assert message in capsys.readouterr().err
