"""What `spanheap top` makes of its looks: growth, and lines that fit."""

from __future__ import annotations

from typing import Any

import pytest

from spanheap.server.look import History, Look, NoLook
from spanheap.server.screen import lines
from spanheap.server.terminal_text import columns, fitted, printable, wrapped

pytestmark = pytest.mark.once(reason="pure Python")
MB = 1e6


def document(time: float = 1000.0, live: float = 50 * MB, *, pid: int = 7, lines: dict[str, float] | None = None,
             leaks: int = 0, active: int = 0, limit: float = 0) -> dict[str, Any]:
    """An answer of /debug/top."""
    return {
        "format": "spanheap.top/1",
        "process": {"pid": pid, "program": "shop.py", "service": "shop", "python": "3.11.7", "spanheap": "1",
                    "profiled_s": 90.0, "time": time},
        "memory": {"rss_bytes": 2 * live, "limit_bytes": limit, "limit_used": None},
        "heap": {"live_bytes": live, "live_objects": 1234.0, "allocated_bytes": live, "samples": 99, "sample_interval": 1e5},
        "lines": [{"line": line, "live_bytes": size, "live_objects": 1.0, "allocated_bytes": size, "samples": 3,
                   "relative_error": 0.1, "span_name": "query", "root_name": "GET /orders"}
                  for line, size in (lines or {"keep (/srv/shop/store.py:88)": live}).items()],
        "roots": [],
        "leaks": [{"text": f"leak: number {i}, held by shop:_cache"} for i in range(leaks)],
        "active_spans": [{"trace_id": f"{i:032x}", "span_id": "1" * 16, "name": f"job {i}", "root_name": "worker",
                          "age_s": 75.0} for i in range(active)],
        "spans": {"active": active, "ended": 10, "retained": 2.0, "retained_bytes": 2 * MB, "unended": 0.0},
    }


def history(*documents: dict[str, Any]) -> History:
    """Of these looks."""
    made = History()
    for each in documents:
        made.add(Look.of(each))
    return made


def text(of: dict[str, Any], made: History, width: int = 120, height: int = 30, status: str = "") -> str:
    """The screen."""
    return "\n".join(line.text for line in lines(Look.of(of), made, width, height, status=status))


def test_growth_is_that_of_the_last_minute() -> None:
    """By line and in all; what is older is forgotten."""
    looks = [document(1000.0 + i, 50 * MB + i * MB, lines={"a (f.py:1)": i * MB, "b (f.py:2)": 50 * MB})
             for i in range(0, 200, 2)]
    made = history(*looks)
    assert 58 <= made.seconds <= 62
    assert made.growth() == (pytest.approx(MB), pytest.approx(2 * MB))
    assert made.growth_of_line("a (f.py:1)") == pytest.approx(MB) and made.growth_of_line("b (f.py:2)") == 0


def test_growth_begins_anew_with_another_process() -> None:
    """Or when its clock was set back; before there are two looks there is none."""
    assert history(document()).growth() is None and history(document()).growth_of_line("x") is None
    assert history(document(1000.0), document(1010.0, 90 * MB, pid=8)).growth() is None
    assert history(document(1000.0), document(990.0, 90 * MB)).growth() is None


def test_everything_is_shown() -> None:
    """Memory with limit and growth, leaks, lines with endpoint and error, spans."""
    last = document(1010.0, 60 * MB, leaks=1, active=2, limit=240 * MB)
    shown = text(last, history(document(1000.0), last))
    for part in ("shop  pid 7  Python 3.11.7  profiled for 1.5 min",
                 "resident 114.4 MiB of 228.9 MiB (50%) (+114.4 MiB/min)",
                 "live heap 57.2 MiB (+57.2 MiB/min)", "1,234 objects, 99 samples", "leak: number 0, held by shop:_cache",
                 "57.2 MiB   10%   +57.2 MiB  GET /orders", "keep (/srv/shop/store.py:88)",
                 "1.2 min  job 0  of worker  trace 0000",
                 "2 active, 10 ended, 2 ended and kept (1.9 MiB), 0 never ended"):
        assert part in shown, (part, shown)


@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("height", [1, 5, 12, 24, 60])
def test_it_fits_the_window(width: int, height: int) -> None:
    """Whatever its size, and however much there is; the status stays."""
    many = {f"function_{i} (/a/very/long/way/to/a/文件/{'x' * 90}/module.py:{i})": MB for i in range(100)}
    of = document(lines=many, leaks=20, active=10)
    shown = lines(Look.of(of), history(of), width, height, status="q ends")
    assert len(shown) <= height and all(columns(line.text) <= width for line in shown)
    assert shown[-1].text == "q ends"


def test_a_long_path_keeps_both_ends() -> None:
    """The function, and the file with its line."""
    of = document(lines={f"handler (/srv/{'deep/' * 40}orders.py:1234)": MB})
    row = next(line for line in text(of, history(of), width=110).split("\n") if "orders.py" in line)
    assert "handler (…" in row and row.endswith("orders.py:1234)") and columns(row) <= 110


def test_names_do_not_move_the_cursor() -> None:
    """Control characters, of a service or of whoever answers, are not sent to the terminal."""
    of = document(lines={"f\x1b[2J (\r\n/x.py:1)": MB})
    of["lines"][0]["root_name"] = "GET /\x9b31m\u202e"
    shown = text(of, history(of))
    assert "\x1b" not in shown and "\x9b" not in shown and "\r" not in shown and "\u202e" not in shown
    assert printable("a\tb") == "a\N{REPLACEMENT CHARACTER}b"


def test_text_is_cut_to_columns() -> None:
    """Wide characters have two, combining ones none."""
    assert fitted("abcdef", 4) == "abc…" and fitted("文文文", 4) == "文…" and fitted("e\u0301" * 4, 4) == "e\u0301" * 4
    assert fitted("ab", 2) == "ab" and fitted("ab", 0) == ""


def test_long_text_is_broken_at_blanks() -> None:
    """A leak's holder is at its end: it must not be cut off. What has no blank is cut."""
    assert wrapped("leak: 3 MiB held by shop:_cache", 14) == ["leak: 3 MiB", "  held by", "  shop:_cache"]
    assert wrapped("abcdefgh ij", 4) == ["abc…", "  ij"] and wrapped("", 4) == [""]
    of = document(leaks=1)
    of["leaks"][0]["text"] = "leak: " + "word " * 40 + "held by shop:_cache"
    shown = lines(Look.of(of), history(of), 60, 24)
    assert any("held by shop:_cache" in line.text for line in shown if line.style == "red")


@pytest.mark.parametrize("change", [
    {"format": "spanheap.top/2"}, {"lines": [{"line": "x"}]}, {"process": None}, {"heap": {}}, {"active_spans": [1]},
    {"leaks": [{}]}, {"spans": 3}, {"memory": {"rss_bytes": "many", "limit_bytes": 0}},
])
def test_what_is_no_look_is_refused(change: dict[str, Any]) -> None:
    """Whatever else a server may answer."""
    with pytest.raises(NoLook):
        Look.of({**document(), **change})
    for other in (None, [], "text", {}):
        with pytest.raises(NoLook):
            Look.of(other)
