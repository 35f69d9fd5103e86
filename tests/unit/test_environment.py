"""The environment variables: each option has one, a wrong value is one clear line, and the page says the same."""

from __future__ import annotations

import logging
import re
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import spanheap
from spanheap.instrumentation import environment, environment_variables, variable
from spanheap.options import Options

pytestmark = pytest.mark.once(reason="text in, options out")
PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
P = variable.PREFIX
BY_NAME = {v.name.removeprefix(P): v for v in variable.VARIABLES}


def test_each_option_and_each_field_of_a_policy_has_a_variable_and_no_other_thing_has() -> None:
    """Or is an object, of which nobody can write down a name."""
    options = {f.name for f in fields(Options)}
    policies = {f"{name}_{f.name}" for name, policy in variable.POLICIES.items() for f in fields(policy)}
    assert {v.name for v in variable.VARIABLES} == {
        f"{P}{name}".upper() for name in (options | policies) - variable.ONLY_IN_CODE
    }
    assert options >= variable.ONLY_IN_CODE


def test_the_page_lists_each_variable_with_flag_default_and_what_it_takes() -> None:
    """Both ways: what it lists is there."""
    row = r"^\| `(OTEL_PYTHON_SPANHEAP_\w+)` \| `(--[\w-]+)` \| (.+?) \| (.+?) \| .+ \|$"
    rows = re.findall(row, PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(v.name, v.flag, f"`{v.default_text}`", v.accepts) for v in variable.VARIABLES]


def test_opentelemetry_instrument_learns_all_names() -> None:
    """As attributes of a module: it makes a flag of each."""
    found = {name for name in dir(environment_variables) if name.startswith("OTEL_")}
    assert found == {v.name for v in variable.VARIABLES}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"SAMPLE_INTERVAL": ""}, {}),
        ({"SAMPLE_INTERVAL": " 65536 "}, {"sample_interval": 65536}),
        ({"SAMPLE_INTERVAL": "1.5MiB"}, {"sample_interval": 3 << 19}),
        ({"TICK": "0.25", "ADAPTIVE": "False", "SEED": "none"}, {"tick": 0.25, "adaptive": False, "seed": None}),
        ({"TOGGLE_SIGNAL": "usr2"}, {"toggle_signal": signal.SIGUSR2}),
        ({"TOGGLE_SIGNAL": "10"}, {"toggle_signal": 10}),
        ({"LABEL_METRICS": "tenant, job,"}, {"label_metrics": ("tenant", "job")}),
        ({"RECORDER": "/x/{pid}.rec"}, {"recorder": "/x/{pid}.rec"}),
        ({"DETECT": "off", "DETECT_PATIENCE": "20"}, {"detect": None}),
        ({"DETECT_PATIENCE": "20"}, {"detect": spanheap.LeakPolicy(patience=20)}),
        ({"DUMPS_SIGNAL": "SIGUSR1", "DUMPS_KEEP": "3"}, {"dumps": spanheap.DumpPolicy(signal=signal.SIGUSR1, keep=3)}),
        # Each alone would not go with the other's default.
        ({"DUMPS_FULL_AT": "0.9", "DUMPS_AGGREGATES_AT": "0.95"},
         {"dumps": spanheap.DumpPolicy(full_at=0.9, aggregates_at=0.95)}),
        ({"DUMPS_FULL_AT": "none"}, {"dumps": spanheap.DumpPolicy(full_at=None)}),
    ],
)
def test_what_is_set_becomes_options(
    variables: dict[str, str], expected: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing is said."""
    assert environment.options({P + name: text for name, text in variables.items()}) == expected
    assert not caplog.records


WRONG = {
    "SAMPLE_INTERVAL": ["0", "1 MiBs", "1e99999", "nan", "0x10"], "MAX_DEPTH": ["257", "deep", "1KiB"],
    "TICK": ["0", "none", "nan", "inf"], "ADAPTIVE": ["maybe", "2"], "DETECT": ["none"], "DETECT_PATIENCE": ["9.9"],
    "DUMPS_FULL_AT": ["1.1"], "DUMPS_KEEP": ["2.5"], "TOGGLE_SIGNAL": ["SIGKILL", "SIGNOTHING", "-1", "9999"],
    "DUMPS_SIGNAL": ["SEGV"], "RECORDER": ["/tmp/"], "PAUSE_BUDGET_MS": ["-1"],
    "PROFILES_ENDPOINT": ["collector:4318", "collector", "grpc://collector:4317", "http://", "http://:4318", "http://a b",
                          "http://collector:port", "http://collector:99999"],
    "PROFILES_INTERVAL": ["0", "none", "minute", "90000"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_wrong_value_is_one_line_and_the_default_stays(name: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """The line names variable, value, what is accepted, and the default; the other variables count."""
    found = environment.options({P + name: text, P + "MAX_SAMPLES": "4096"})
    assert found == {"max_samples": 4096}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "\n" not in record.getMessage()
    for part in (P + name, repr(text), f"the default is used: {BY_NAME[name].default_text}"):
        assert part in record.getMessage()
    accepted = BY_NAME[name].accepts.split(",")[0]
    assert accepted in record.getMessage() or re.search("SIGUSR2|path of a file", record.getMessage())


def test_an_endpoint_without_the_package_for_it_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Which says what to install; the other variables count."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.profiles.v1development", None)
    endpoint = P + "PROFILES_ENDPOINT"
    assert environment.options({endpoint: "http://c:4318", P + "MAX_DEPTH": "8"}) == {"max_depth": 8}
    (record,) = caplog.records
    for part in (f"{endpoint}='http://c:4318'", "needs opentelemetry-proto 1.40 or later", "pip install 'spanheap[otlp]'",
                 "the default is used: none"):
        assert part in record.getMessage()


def test_values_that_do_not_go_together_leave_the_first(caplog: pytest.LogCaptureFixture) -> None:
    """One signal for two things; a rung above the other one's default."""
    found = environment.options({P + "TOGGLE_SIGNAL": "USR2", P + "DUMPS_SIGNAL": "USR2", P + "DUMPS_FULL_AT": "0.9"})
    assert found == {"dumps": spanheap.DumpPolicy(signal=signal.SIGUSR2)}
    assert [record.getMessage().split("=")[0] for record in caplog.records] == [
        f"spanheap: {P}DUMPS_FULL_AT", f"spanheap: {P}TOGGLE_SIGNAL",
    ]


def test_an_unknown_variable_is_told_with_the_one_that_was_meant(caplog: pytest.LogCaptureFixture) -> None:
    """A service that runs with the default must not look as if it were configured."""
    assert environment.options({P + "SAMPEL_INTERVAL": "1", P + "MAXIMUM": "2"}) == {}
    assert [record.getMessage() for record in caplog.records][1:] == [
        f"spanheap: there is no {P}SAMPEL_INTERVAL; did you mean {P}SAMPLE_INTERVAL?",
    ]


def test_flags_go_before_the_environment_field_by_field() -> None:
    """`spanheap run --dumps-keep 3` leaves what the environment says of other fields."""
    found = environment.options(
        {P + "DUMPS_KEEP": "9", P + "DUMPS_MAX_PER_DAY": "7"}, given={BY_NAME["DUMPS_KEEP"]: 3, BY_NAME["MAX_DEPTH"]: 8})
    assert found == {"dumps": spanheap.DumpPolicy(keep=3, max_per_day=7), "max_depth": 8}
