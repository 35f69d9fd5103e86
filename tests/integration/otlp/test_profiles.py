"""What a receiver of OTLP profiles decodes is what the snapshot said."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spanheap
from spanheap.otlp import ProfilesExporter
from spanheap.otlp.encode import encode
from spanheap.otlp.messages import Messages
from spanheap.snapshot import Frame, HeapSnapshot, Row

from ._receiver import Profiles, Receiver, decode
from .conftest import RESOURCE, Service

pytest.importorskip("opentelemetry.proto.profiles.v1development.profiles_pb2",
                    reason="needs opentelemetry-proto: pip install 'spanheap[otlp]'")
pytestmark = pytest.mark.once(reason="messages and sockets; what is in a snapshot is tested with the snapshot")
Receivers = Callable[..., Receiver]


def row(i: int, **changes: Any) -> Row:
    """A live sample that stands for a fraction more than a whole number of bytes."""
    frames = (Frame(f"f{i % 7}", f"/srv/app/m{i % 3}.py", 10 + i), Frame("main", "/srv/app/main.py", 1))
    one = Row(frames, "load", "GET /", f"{i + 1:032x}", f"{i + 1:016x}", "worker", 100, 100.3 + i, 1.003, 200.7 + i, 2.2, 1)
    return one._replace(**changes)


def encoded(rows: list[Row], **limits: int) -> Profiles:
    """These rows, through the encoder and the receiver's decoder."""
    snapshot = HeapSnapshot(rows, time=1_700_000_000.25, rss_bytes=0, sample_interval=4096)
    body = encode(Messages(), snapshot, {}, seconds=60, max_samples=limits.get("max_samples", 10_000),
                  max_bytes=limits.get("max_bytes", 8 << 20)).body
    return decode("", {}, body)


def test_totals_are_those_of_the_snapshot(
    service: Service, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All four types, to the byte; sent over HTTP, and decoded with opentelemetry-proto."""
    receiver, taken = receivers(), []
    snapshot = service.session.snapshot
    monkeypatch.setattr(service.session, "snapshot", lambda: taken.append(snapshot()) or taken[-1])
    assert ProfilesExporter(service.session, endpoint=receiver.url).start().export()
    [profiles] = receiver.wait(1)
    totals = taken[0].totals
    assert [kind for kind, _ in profiles.samples] == ["inuse_space", "inuse_objects", "alloc_space", "alloc_objects"]
    assert [unit for _, unit in profiles.samples] == ["bytes", "count", "bytes", "count"]
    assert profiles.total("inuse_space") == round(totals.live_bytes) >= 300_003
    assert profiles.total("inuse_objects") == round(totals.live_objects) >= 3
    assert profiles.total("alloc_space") == round(totals.allocated_bytes)
    assert profiles.total("alloc_objects") == round(totals.allocated_objects)
    assert profiles.path == "/v1development/profiles" and profiles.headers["content-type"] == "application/x-protobuf"


def test_rounding_loses_nothing() -> None:
    """Samples of fractions of bytes add up to the rounded total, each less than one off."""
    rows = [row(i) for i in range(1000)]
    profiles = encoded(rows)
    snapshot = HeapSnapshot(rows, time=0, rss_bytes=0, sample_interval=1)
    assert profiles.total("inuse_space") == round(snapshot.live_bytes)
    assert profiles.total("inuse_objects") == round(snapshot.live_objects)
    assert profiles.total("alloc_space") == round(snapshot.allocated_bytes)
    assert profiles.total("alloc_objects") == round(snapshot.allocated_objects)
    by_link = {sample.link[0]: sample.value for sample in profiles.samples[("inuse_space", "bytes")]}
    assert all(abs(by_link[r.trace_id] - r.live_bytes) < 1 for r in rows)


def test_samples_lead_to_their_spans(service: Service, receivers: Receivers) -> None:
    """Each block of a request has the link, names, thread, label and line of where and for what it was made."""
    receiver = receivers()
    ProfilesExporter(service.session, endpoint=receiver.url).start().export()
    [profiles] = receiver.wait(1)
    blocks = [s for s in profiles.samples[("inuse_space", "bytes")] if 100_000 <= s.value < 100_200]
    expected = {(f"{c.trace_id:032x}", f"{c.span_id:016x}"): f"tenant-{i}" for i, c in enumerate(service.spans)}
    assert {b.link: b.attributes["spanheap.label.tenant"] for b in blocks} == expected
    line = next(i for i, text in enumerate(Path(__file__).with_name("conftest.py").read_text().splitlines(), 1)
                if "self.kept.append(bytearray(size))" in text)
    for block in blocks:
        assert block.attributes["spanheap.span.name"] == "load order"
        assert block.attributes["spanheap.root_span.name"] == "GET /orders"
        assert block.attributes["thread.name"] == "MainThread"
        function, filename, number = block.stack[0]
        assert (function.rpartition(".")[2], Path(filename).name, number) == ("request", "conftest.py", line)


def test_resource_is_that_of_the_traces(service: Service, receivers: Receivers) -> None:
    """With types; and the scope is ours."""
    receiver = receivers()
    ProfilesExporter(service.session, endpoint=receiver.url).start().export()
    [profiles] = receiver.wait(1)
    assert profiles.resource == RESOURCE and profiles.scope == "spanheap"


def test_dictionary_is_as_the_protocol_has_it() -> None:
    """Zero elements first, no entry twice, none that nobody refers to."""
    request = encoded([row(i % 20, labels=(("tenant", str(i % 3)),)) for i in range(60)]).request
    d = request.dictionary
    for table in (d.mapping_table, d.location_table, d.function_table, d.link_table, d.attribute_table, d.stack_table):
        assert table[0] == type(table[0])()
        entries = [entry.SerializeToString(deterministic=True) for entry in table]
        assert len(set(entries)) == len(entries)
    assert d.string_table[0] == "" and len(set(d.string_table)) == len(d.string_table)
    profiles = request.resource_profiles[0].scope_profiles[0].profiles
    used = {sample.stack_index for profile in profiles for sample in profile.samples}
    assert used == set(range(1, len(d.stack_table)))
    assert {i for s in d.stack_table for i in s.location_indices} == set(range(1, len(d.location_table)))
    assert {s.link_index for profile in profiles for s in profile.samples} == set(range(1, len(d.link_table)))
    assert len({profile.profile_id for profile in profiles}) == 4 and all(len(p.profile_id) == 16 for p in profiles)
    assert {(p.time_unix_nano, p.duration_nano, p.period) for p in profiles} == {
        (1_699_999_940_250_000_000, 60_000_000_000, 4096)}


def test_trace_that_was_sampled_out_has_no_link() -> None:
    """No backend has it; its samples say so. Released totals have no link either, and are allocated, not in use."""
    released = row(9, trace_id="", span_id="", live_bytes=0.0, live_objects=0.0, samples=0)
    profiles = encoded([row(1, sampled=False), released])
    [live] = profiles.samples[("inuse_space", "bytes")]
    assert live.link == ("", "") and live.attributes["spanheap.trace.sampled"] is False
    assert len(profiles.samples[("alloc_space", "bytes")]) == 2


def test_samples_of_one_identity_are_one() -> None:
    """Two blocks made at the same line for the same span."""
    [sample] = encoded([row(1), row(1)]).samples[("inuse_space", "bytes")]
    assert sample.value == round(2 * row(1).live_bytes)


@pytest.mark.parametrize("limits", [{"max_samples": 50}, {"max_bytes": 20_000}])
def test_too_many_samples_are_merged_not_lost(limits: dict[str, int]) -> None:
    """The smallest become one of "<other>"; totals stay, and the message keeps to its size."""
    rows = [row(i) for i in range(2000)]
    profiles = encoded(rows, **limits)
    samples = profiles.samples[("inuse_space", "bytes")]
    assert len(samples) <= limits.get("max_samples", 1999)
    assert profiles.request.ByteSize() <= limits.get("max_bytes", 1 << 30)
    assert profiles.total("inuse_space") == round(math.fsum(r.live_bytes for r in rows))
    [other] = [s for s in samples if s.attributes["spanheap.span.name"] == "<other>"]
    assert other.stack == () and other.link == ("", "")
    assert max(s.value for s in samples if s is not other) == round(row(1999).live_bytes)


def test_text_that_is_not_utf8_is_sent_all_the_same() -> None:
    """Names of files may have surrogates, labels may be long: neither may cost an export."""
    rows = [row(1, stack=(Frame("f", "/srv/\udcff.py", 3),), labels=(("tenant", "x" * 5000),))]
    [sample] = encoded(rows).samples[("inuse_space", "bytes")]
    assert sample.stack == (("f", "/srv/?.py", 3),) and sample.attributes["spanheap.label.tenant"].startswith("xxx")


def test_session_exports_periodically(service: Service, receivers: Receivers) -> None:
    """`start(profiles_endpoint=…)`: from a thread of its own, every so many seconds, until the session ends."""
    service.session.shutdown()
    receiver = receivers()
    with spanheap.profile(profiles_endpoint=receiver.url, profiles_interval=0.05, tracer_provider=service.provider,
                          meter_provider=service.meters, tick=None) as session:
        receiver.wait(4)   # sent one after the other: the first three were answered and counted
        assert service.metrics("spanheap.profile.exports")["exported"] >= 3
        assert service.metrics("spanheap.profile.sent")[""] > 1000
        stats = session.stats()
        assert stats.profiles_exported >= 3 and stats.profiles_lost == 0
        assert session._profiler.profiles is not None and session._profiler.profiles.cpu_s > 0 and stats.cpu_s > 0
    assert session._profiler.profiles is not None and session._profiler.profiles._thread is not None
    assert not session._profiler.profiles._thread.is_alive()


def test_page_lists_what_is_emitted(service: Service, receivers: Receivers) -> None:
    """docs/profiles.md says what each outcome means."""
    page = (Path(__file__).parents[3] / "docs" / "profiles.md").read_text()
    ProfilesExporter(service.session, endpoint=receivers().url).start()
    outcomes = re.findall(r"^\| `(\w+)` \| [^|`]+ \|$", page, re.MULTILINE)
    assert sorted(outcomes) == sorted(service.metrics("spanheap.profile.exports"))
