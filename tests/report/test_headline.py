"""The first sentence of a report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import spanheap
from spanheap.recorder import command as recordings
from spanheap.report import headline, page, subject
from tests.report import dumps
from tests.unit._recorder_encoder import Encoder, example

pytestmark = pytest.mark.once(reason="text from data")


def first(path: Path, baseline: Path | None = None) -> str:
    """The sentence about this file."""
    return headline.text(headline.of(subject.of_file(path, baseline)).sentence)


def notes(path: Path, baseline: Path | None = None) -> list[str]:
    """What stands below it."""
    return [headline.text(note) for note in headline.of(subject.of_file(path, baseline)).notes]


def test_a_verdict_names_endpoint_growth_line_and_holder(tmp_path: Path) -> None:
    """All that the detector knew is in the dump, and in one sentence."""
    path = dumps.with_verdict(tmp_path)
    assert first(path) == "`GET /orders` keeps 41.0 MiB more every minute; allocated at `store.py:88`; held by `app:_cache`."
    said = notes(path)
    assert "120 MiB kept so far, 93% of the growth of the heap; the memory limit is reached in 21.0 minutes; " \
           "confidence 97%." in said
    assert f"Held by `{dumps.HOLDER}`" in said and f"A trace to look at: `{'ab' * 16}`" in said


def test_a_dump_alone_says_who_holds_most_and_nothing_of_growth(tmp_path: Path) -> None:
    """And asks for an earlier one."""
    path = dumps.service(tmp_path)
    assert first(path) == "`GET /orders` holds 120 MiB of 152 MiB live; all of it allocated at `store.py:88`."
    assert "One dump tells who holds memory, not what grows: give an earlier one with `--baseline OLD`." in notes(path)


def test_a_baseline_tells_what_grew_and_how_fast(tmp_path: Path) -> None:
    """80 MiB in the minute between."""
    old, new = dumps.pair(tmp_path)
    assert first(new, old) == "`GET /orders` keeps 80.0 MiB more every minute; allocated at `store.py:88`."
    assert "In all, live memory grew by 80.0 MiB within 60 seconds, from 72.0 MiB to 152 MiB." in notes(new, old)


def test_the_holder_of_the_line_that_grew_is_named(tmp_path: Path) -> None:
    """From the holders that an automatic dump looked for, even without a verdict."""
    old = dumps.service(tmp_path, time=1.8e9 - 60, orders=8)
    new = dumps.service(tmp_path, comments=[f"holder.1=app:_cache (dict, 9 entries) → Order site={dumps.REMEMBER[0]}"])
    assert first(new, old).endswith("allocated at `store.py:88`; held by `app:_cache`.")


def test_noise_is_not_called_growth(tmp_path: Path) -> None:
    """One sample that stands for 512 KiB is within two standard errors of none."""
    old = dumps.write(tmp_path / "old.pb.gz", [], time=1.8e9 - 60)
    encoder = dumps.Encoder()
    encoder.sample(dumps.SEARCH, [1, 512 << 10, 1, 512 << 10], dumps.labels("a", "a"), {"bytes": 100})
    new = tmp_path / "new.pb"
    new.write_bytes(encoder.encode(time_nanos=1_800_000_000 * 10**9))
    assert first(new, old) == "Nothing grew by more than the chance of sampling explains within 60 seconds."


def test_a_baseline_that_is_not_earlier_gives_no_rate(tmp_path: Path) -> None:
    """Swapped files must not make a leak of a shrinking heap, nor divide by nothing."""
    old, new = dumps.pair(tmp_path)
    assert "Nothing grew" in first(old, new)
    same_time = dumps.service(tmp_path, orders=8)
    assert "80.0 MiB more than in the baseline" in first(new, same_time)


def test_an_empty_heap_is_said_to_be_empty(tmp_path: Path) -> None:
    """No sample at all."""
    assert first(dumps.write(tmp_path / "none.pb.gz", [])) == "Nothing was live among what was sampled."


def test_a_recording_says_how_it_ended_and_what_it_was_doing(tmp_path: Path) -> None:
    """The last words of a process that was killed."""
    path = tmp_path / "flight.rec"
    path.write_bytes(example().data)
    assert first(path).startswith(f"`orders` (pid 7) {recordings.examine(path)[1].text}")
    said = notes(path)
    assert said[0].startswith("It was in the middle of `job` (for 15 seconds), `GET /orders` (for 10 seconds).")
    assert said[1] == "`GET /orders` holds 635 KiB of 977 KiB live; all of it allocated at `orders.py:12`."
    assert not any("±" in note or "--baseline" in note for note in said)


def test_only_what_is_bad_has_the_colour_of_an_alarm(tmp_path: Path) -> None:
    """<strong>: a death, growth; not a clean end, nor that nothing grew."""
    path = tmp_path / "flight.rec"
    with spanheap.profile(tick=None, recorder=path):
        pass
    assert page.render(subject.of_file(path)).count("<b>ended cleanly: the session was shut down") == 1
    path.write_bytes(example().data)
    heading = re.search("<h1.*?</h1>", page.render(subject.of_file(path)), re.DOTALL)
    assert heading and "<strong>" in heading[0] and "<b>" not in heading[0]
    old = dumps.service(tmp_path, time=1.8e9 - 60).rename(tmp_path / "old.pb.gz")
    assert "<b>Nothing grew</b>" in page.render(subject.of_file(dumps.service(tmp_path), old))


def test_a_recording_without_sites_says_so(tmp_path: Path) -> None:
    """It died before the first tick."""
    path = tmp_path / "flight.rec"
    path.write_bytes(Encoder().data)
    assert notes(path) == ["What its memory was allocated for was not recorded before the end."]


@pytest.mark.parametrize("comment", [
    "verdict.1=", "verdict.1={}", "verdict.1=[1]", 'verdict.1={"kind": 5}', "verdict.1=" + "[" * 100_000,
    'verdict.1={"kind":"leak","root_name":"a","span_name":"a","frame":["f"],"live_bytes":1,"growth_bytes_per_s":1}',
    "holder.1=", "holder.1=x share=1.2.3 site=y", "verdict=leak: 1 MiB kept",
])
def test_comments_that_are_not_ours_are_left_out(tmp_path: Path, comment: str) -> None:
    """A dump is anybody's file: the report is made all the same."""
    assert first(dumps.service(tmp_path, comments=[comment])).startswith("`GET /orders` holds 120 MiB")
