"""`spanheap demo` as a user runs it: in a process of its own, with real children, sockets and signals."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import pty
import random
import re
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest

from spanheap.demo.growth import Growth
from spanheap.demo.terminal import Terminal

pytestmark = pytest.mark.once(reason="a service in a process of its own, whose shares, rates and times are measured")

MARK = "SPANHEAP_TEST_MARK"   # inherited by every descendant, and readable in /proc


class Demo:
    """A running demo and its descendants."""

    def __init__(self, folder: pathlib.Path, *options: str) -> None:
        self.mark = f"{MARK}={uuid.uuid4()}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spanheap", "demo", "--output=out", *options],
            cwd=folder, env=os.environ | dict([self.mark.split("=")]),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )

    def finish(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def wait_for_load(self) -> None:
        """Returns at the first line of progress: both children are at work then."""
        assert self.process.stdout is not None
        assert any("requests/s" in line for line in self.process.stdout)

    def children(self, module: str = "spanheap.demo.") -> list[int]:
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):   # ended meanwhile, or somebody else's
                if (
                    entry.name.isdigit()
                    and self.mark.encode() in (entry / "environ").read_bytes().split(b"\0")
                    and module.encode() in (entry / "cmdline").read_bytes()
                ):
                    found.append(int(entry.name))
        return found

    def children_end(self, timeout: float = 10.0) -> bool:
        deadline = time.monotonic() + timeout
        while self.children() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.children()


@pytest.fixture
def long_demo(tmp_path: pathlib.Path) -> Iterator[Demo]:
    """A demo under load that would go on for longer than the test."""
    demo = Demo(tmp_path, "--seconds=60")
    demo.wait_for_load()
    assert len(demo.children()) == 2
    yield demo
    for pid in demo.children():
        os.kill(pid, signal.SIGKILL)
    demo.process.kill()
    demo.process.communicate()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, str, dict, pathlib.Path]:
    """One short demo, run to its end."""
    folder = tmp_path_factory.mktemp("demo")
    demo = Demo(folder, "--seconds=6", "--fixed-seconds=3", "--json=results.json")
    status, out, err = demo.finish()
    assert (status, err) == (0, "")
    return demo, out, json.loads((folder / "results.json").read_text()), folder


def test_names_the_planted_line(finished):
    """The line that starts the kept span leads the ranking, with most of the growth and its span's name."""
    _, _, results, folder = finished
    leader = results["leaky"]["growth"]["lines"][0]
    source = (folder / "out" / "service.py").read_text().splitlines()
    assert leader["function"].endswith("get_order")
    assert "GET /orders/{id}" in source[leader["line"] - 1]
    assert leader["span_names"][0] == "GET /orders/{id}"
    assert leader["share"] > 0.5
    assert leader["samples"] >= 30


def test_names_the_planted_endpoint(finished):
    """The leaking endpoint leads the other two rankings, far ahead of the healthy endpoints."""
    _, _, results, _ = finished
    growth = results["leaky"]["growth"]
    for ranking in ("endpoints", "spans"):
        assert growth[ranking][0]["name"] == "GET /orders/{id}"
        assert growth[ranking][0]["share"] > 0.5
    # Memory of no span is apart: on CPython 3.10 the server's parser lends the spans its recycled deque blocks.
    healthy = [row for row in growth["endpoints"][1:] if row["name"] != "<no span>"]
    assert all(row["share"] < 0.25 for row in healthy)


def test_the_fixed_service_hardly_grows(finished):
    """Bounded metadata: at most a tenth of the growth per request, within two standard errors."""
    _, _, results, _ = finished
    fixed, leaky = results["fixed"], results["leaky"]
    requests = fixed["requests_per_s"] * fixed["growth"]["seconds"]
    error = fixed["growth"]["growth_error"] / requests * 1000
    assert fixed["growth_per_1000_requests"] < leaky["growth_per_1000_requests"] / 10 + 2 * error


def test_leaves_dumps_and_no_children(finished):
    """Both dumps are where the results say; no process of the demo is left."""
    demo, _, results, folder = finished
    for variant in ("leaky", "fixed"):
        dump = results[variant]["dump"]
        assert (folder / dump["path"]).stat().st_size == dump["bytes"] > 0
    assert demo.children() == []


def test_prints_plain_text(finished):
    """Piped output has no control characters, fits 100 columns and says how to open the dump."""
    _, out, results, _ = finished
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", out)
    assert [line for line in out.splitlines() if len(line) > 100 and "leaky.pb.gz" not in line] == []
    assert f"go tool pprof -http=: {results['leaky']['dump']['path']}" in out


@pytest.mark.once(reason="processes and signals")
@pytest.mark.parametrize(("no_color", "bold"), [("", "\x1b[1mtitle\x1b[0m"), ("1", "title")])
def test_a_terminal_gets_one_refreshed_line(monkeypatch, no_color, bold):
    """On a terminal progress overwrites itself and text starts a new line; NO_COLOR takes the styles away."""
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    controller, controlled = pty.openpty()
    with open(controller, "rb", buffering=0) as screen, open(controlled, "w") as stream:
        terminal = Terminal(stream)
        terminal.refresh("a long line that would wrap")
        terminal.refresh("short")
        terminal.heading("title")
        shown = b""
        while select.select([screen], [], [], 0.2)[0]:   # a terminal hands text over in pieces
            shown += screen.read(1000)
    assert shown.decode() == "\ra long line that wo" + "\rshort" + 14 * " " + "\r\n" + bold + "\r\n"


@pytest.mark.once(reason="processes and signals")
def test_ctrl_c_ends_everything(long_demo):
    """SIGINT to the foreground processes, as a terminal does: exit status 130, one line, no child left."""
    os.killpg(long_demo.process.pid, signal.SIGINT)
    status, _, err = long_demo.finish()
    assert status == 130
    assert err.strip() == "spanheap: interrupted"
    assert long_demo.children() == []


@pytest.mark.once(reason="processes and signals")
def test_children_do_not_outlive_a_killed_parent(long_demo):
    """After SIGKILL the parent can tidy nothing up: the closed pipe ends the children."""
    long_demo.process.kill()
    long_demo.process.wait()
    assert long_demo.children_end()


@pytest.mark.parametrize(
    ("module", "name"), [("spanheap.demo.host", "leaky service"), ("spanheap.demo.load", "load generator")])
def test_a_dead_child_is_one_clear_error(long_demo, module, name):
    """Either child killed: exit status 1, one line with its name, the signal and its log; no child left."""
    (pid,) = long_demo.children(module)
    os.kill(pid, signal.SIGKILL)
    status, _, err = long_demo.finish()
    assert status == 1
    assert len(err.splitlines()) == 1
    assert err.startswith(f"spanheap demo: error: the {name} ended early (SIGKILL): ")
    assert ".log" in err
    assert long_demo.children() == []


@pytest.mark.parametrize(("options", "said"), [
    ([], "--output out: cannot be written: File exists"),   # a file in the folder's place
    (["--output=/proc/x"], "--output /proc/x: cannot be written: No such file or directory"),
    (["--output=other", "--json=no/such.json"], "--json no/such.json: cannot be written: No such file or directory"),
])
def test_a_place_that_cannot_be_written_is_an_error(tmp_path, options, said):
    """Exit status 1, and what to do in the message."""
    (tmp_path / "out").write_text("")
    status, _, err = Demo(tmp_path, *options).finish()
    assert (status, err) == (1, f"spanheap demo: error: {said}: give another place\n")


@pytest.mark.parametrize("seconds", ["1", "nan", "3601", "long"])
def test_a_useless_duration_is_wrong_usage(tmp_path, seconds):
    """Exit status 2; the message has the value and the range."""
    status, _, err = Demo(tmp_path, f"--seconds={seconds}").finish()
    assert status == 2
    assert f"'{seconds}' is not a number of seconds from 2 to 3600" in err


def test_share_error_is_that_of_repeated_sampling():
    """The error given for a share is the spread that sampling the same heap again and again shows."""
    interval, leaking, rest = 32, 4000, 2000   # blocks of one byte
    chance = random.Random(2)

    def sampled(size: int) -> Growth:
        samples = sum(chance.random() < 1 / interval for _ in range(size))
        return Growth(samples * interval, samples * interval**2 * (1 - 1 / interval), samples)

    shares, errors = [], []
    for _ in range(300):
        leak, other = sampled(leaking), sampled(rest)
        total = Growth(leak.bytes + other.bytes, leak.variance + other.variance)
        shares.append(leak.bytes / total.bytes)
        errors.append(leak.share_error(total))
    mean = sum(shares) / len(shares)
    spread = (sum((share - mean) ** 2 for share in shares) / len(shares)) ** 0.5
    assert sum(errors) / len(errors) == pytest.approx(spread, rel=0.15)
