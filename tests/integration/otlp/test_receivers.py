"""A receiver that refuses, hangs or is not there costs a counter, and nothing else."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spanheap
from spanheap.otlp import ProfilesExporter, ProfilesUnavailable
from spanheap.otlp.client import Response
from spanheap.otlp.messages import Messages
from spanheap.otlp.settings import settings

from ._receiver import Receiver
from .conftest import Service

SERVICE = "opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2"
profiles_service_pb2 = pytest.importorskip(SERVICE, reason="needs opentelemetry-proto: pip install 'spanheap[otlp]'")
pytestmark = pytest.mark.once(reason="sockets and threads; the CPython makes no difference")
Receivers = Callable[..., Receiver]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again after a hundredth of a second instead of after one."""
    monkeypatch.setattr("spanheap.otlp.exporter._FIRST_BACKOFF_S", 0.01)


@pytest.fixture
def hanging() -> Iterator[str]:
    """A receiver that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def free_port() -> int:
    """One that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.usefixtures("quick")
def test_receiver_that_is_busy_is_asked_again(service: Service, receivers: Receivers) -> None:
    """503 twice, then 200: one export, two retries, nothing lost."""
    receiver = receivers(lambda n: (503 if n < 2 else 200, {}, b""))
    exporter = ProfilesExporter(service.session, endpoint=receiver.url).start()
    assert exporter.export()
    counts = exporter.counts()
    assert (counts.exported, counts.retries, counts.lost, receiver.requests) == (1, 2, 0, 3)


def test_receiver_that_asks_for_a_pause_gets_it(service: Service, receivers: Receivers) -> None:
    """Retry-After within the time of an export is waited for; a longer one ends it, and the next begins no sooner."""
    receiver = receivers(lambda n: [(429, {"Retry-After": "1"}, b""), (200, {}, b""), (503, {"Retry-After": "120"}, b"")][n])
    exporter = ProfilesExporter(service.session, endpoint=receiver.url).start()
    began = time.monotonic()
    assert exporter.export() and time.monotonic() - began >= 1
    assert not exporter.export() and receiver.requests == 3
    assert 100 < exporter._not_before - time.monotonic() <= 120
    assert exporter.counts().unavailable == 1


def test_receiver_that_refuses_is_not_asked_again(
    service: Service, receivers: Receivers, caplog: pytest.LogCaptureFixture
) -> None:
    """404 says that it does not receive profiles; logged once, counted each time, in metrics and in stats."""
    receiver = receivers(lambda n: (404, {}, b"not here"))
    exporter = ProfilesExporter(service.session, endpoint=receiver.url).start()
    assert not exporter.export() and not exporter.export()
    assert exporter.counts().refused == 2 and receiver.requests == 2
    assert service.metrics("spanheap.profile.exports")["refused"] == 2 and service.session.stats().profiles_lost == 2
    [record] = [r for r in caplog.records if r.name == "spanheap"]
    said = f"{receiver.url}/v1development/profiles: status 404 (does it receive profiles over HTTP there?)"
    assert said in record.getMessage()


def test_receiver_that_hangs_is_given_up(service: Service, hanging: str) -> None:
    """After the time-out; what the receiver has is bounded by that, not the service."""
    exporter = ProfilesExporter(service.session, endpoint=hanging, timeout=0.2).start()
    assert not exporter.export() and exporter.counts().timed_out == 1


def test_service_does_not_wait_for_an_export(service: Service, hanging: str) -> None:
    """While one hangs, requests are answered and sampled, ticks and snapshots made: nothing that they need is held."""
    exporter = ProfilesExporter(service.session, endpoint=hanging, interval=0.05, timeout=60).start()
    while exporter._client._socket is None:
        time.sleep(0.01)
    before = service.session.snapshot().live_bytes
    service.request(5_000_000)
    service.session.tick(1.0)
    assert service.session.snapshot().live_bytes - before > 4_900_000
    assert service.session.stats().profiles_lost == 0 and exporter._client._socket is not None
    exporter.stop()


def test_receiver_that_drips_is_given_up(service: Service) -> None:
    """A byte every now and then is no answer: the time is that of the whole export."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000:
                        connection.sendall(bytes((byte,)))
                        time.sleep(0.02)
                except OSError:
                    pass

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        exporter = ProfilesExporter(
            service.session, endpoint=f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3).start()
        assert not exporter.export() and exporter.counts().timed_out == 1
        thread.join(30)


@pytest.mark.usefixtures("quick")
def test_absent_receiver_costs_a_counter(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens; it is tried again for as long as an export may take."""
    exporter = ProfilesExporter(service.session, endpoint=f"http://127.0.0.1:{free_port()}", timeout=0.1).start()
    assert not exporter.export() and not exporter.export()
    counts = exporter.counts()
    assert counts.unreachable == 2 and counts.retries >= 2 and counts.exported == 0
    assert len([r for r in caplog.records if r.name == "spanheap"]) == 1


def test_what_does_not_speak_http_is_named(service: Service) -> None:
    """Such as a database's port: an answer that is none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"\x00\x01 what?\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        exporter = ProfilesExporter(
            service.session, endpoint=f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.5).start()
        assert not exporter.export() and exporter.counts().unreachable == 1
        thread.join(30)


def test_shutdown_does_not_wait_for_a_receiver(service: Service, hanging: str) -> None:
    """An export that hangs, for up to a minute, is broken off; that is no loss to be counted or logged."""
    exporter = ProfilesExporter(service.session, endpoint=hanging, interval=0.05, timeout=60).start()
    while exporter._client._socket is None:
        time.sleep(0.01)
    thread = exporter._thread
    service.session.shutdown()
    assert thread is not None and not thread.is_alive() and exporter.counts().lost == 0


@pytest.mark.needs("openssl", "openssl")
@pytest.mark.usefixtures("quick")
def test_https_is_spoken_to_whom_the_certificate_is_of(
    service: Service, receivers: Receivers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With `certificate` as the authority; without it the receiver is not trusted, and gets nothing."""
    both = tmp_path / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", both, "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True, timeout=60)
    both.write_text(both.read_text() + (tmp_path / "cert.pem").read_text())
    receiver = receivers(None, both)
    trusting = ProfilesExporter(service.session, endpoint=receiver.url, certificate=str(tmp_path / "cert.pem"))
    assert trusting.export() and receiver.wait(1)[0].total("inuse_space") > 300_000
    distrusting = ProfilesExporter(service.session, endpoint=receiver.url, timeout=0.2)
    assert not distrusting.export() and receiver.requests == 1
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    with pytest.raises(OSError, match="No such file"):
        ProfilesExporter(service.session, endpoint=receiver.url, certificate="/no/such.pem")


def test_partial_success_is_counted(service: Service, receivers: Receivers, caplog: pytest.LogCaptureFixture) -> None:
    """The receiver took it, but for three profiles, and says why."""
    answer = profiles_service_pb2.ExportProfilesServiceResponse()
    answer.partial_success.rejected_profiles = 3
    answer.partial_success.error_message = "no alloc profiles here"
    receiver = receivers(lambda n: (200, {}, answer.SerializeToString()))
    exporter = ProfilesExporter(service.session, endpoint=receiver.url).start()
    assert exporter.export() and exporter.counts().rejected_profiles == 3
    assert "no alloc profiles here" in caplog.text


def test_profile_that_cannot_be_small_enough_is_counted(service: Service, receivers: Receivers) -> None:
    """Nothing is sent that is larger than it may be."""
    receiver = receivers()
    exporter = ProfilesExporter(service.session, endpoint=receiver.url, max_bytes=1024)
    exporter._max_bytes = 100
    exporter.start()
    assert not exporter.export() and exporter.counts().too_large == 1 and receiver.requests == 0


@pytest.mark.usefixtures("quick")
def test_forked_child_exports_its_own_heap(service: Service, receivers: Receivers) -> None:
    """The thread is not there in the child: the session's tick starts it again. The parent's goes on."""
    receiver = receivers()
    exporter = ProfilesExporter(service.session, endpoint=receiver.url, interval=0.05).start()
    pid = os.fork()
    if pid == 0:
        try:
            alive = exporter._thread is not None and exporter._thread.is_alive()
            service.session.tick(1.0)
            deadline = time.monotonic() + 30
            before = exporter.counts().exported
            while exporter.counts().exported == before and time.monotonic() < deadline:
                time.sleep(0.01)
            os._exit(0 if not alive and exporter.counts().exported > before else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    receiver.wait(len(receiver.received) + 1)


# ---------------------------------------------------------------- settings


def test_settings_come_from_the_environment(
    service: Service, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoint, headers, compression and time-out, as the other exporters read them; a variable of the signal goes first."""
    receiver = receivers()
    for name, value in {"ENDPOINT": receiver.url, "HEADERS": "api-key=s%20cret,x=1", "COMPRESSION": "gzip", "TIMEOUT": "3",
                        "PROFILES_TIMEOUT": "4.5"}.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    exporter = ProfilesExporter(service.session, headers={"X": "2"}).start()
    assert exporter.url == f"{receiver.url}/v1development/profiles" and exporter._settings.timeout_s == 4.5
    assert exporter.export()
    [profiles] = receiver.wait(1)
    assert profiles.headers["api-key"] == "s cret" and profiles.headers["x"] == "2"
    assert profiles.headers["content-encoding"] == "gzip" and profiles.total("inuse_space") > 300_000
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT", f"{receiver.url}/elsewhere")
    assert settings().url == f"{receiver.url}/elsewhere"


@pytest.mark.parametrize(("given", "url"), [
    ("http://collector:4318", "http://collector:4318/v1development/profiles"),
    ("http://collector:4318/otlp/", "http://collector:4318/otlp/v1development/profiles"),
    ("https://collector", "https://collector:443/v1development/profiles"),
    ("http://[::1]:4318/v1development/profiles", "http://[::1]:4318/v1development/profiles"),
])
def test_endpoint_is_a_base(given: str, url: str) -> None:
    """The path of the signal is added unless it is there."""
    assert settings(given).url == url


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"endpoint": "collector:4318"}, ValueError, "endpoint = 'collector:4318': expected an http:// or https:// URL"),
    ({"endpoint": "http://a b"}, ValueError, "endpoint = 'http://a b'"),
    ({"endpoint": 4318}, TypeError, "endpoint must be a URL such as http://localhost:4318, not 4318"),
    ({"interval": 0}, ValueError, "interval = 0: must be between 0.05 and 86,400"),
    ({"timeout": -1}, ValueError, "timeout = -1: must be above 0 and at most 300 seconds"),
    ({"compression": "zip"}, ValueError, "compression = 'zip': must be 'gzip' or 'none'"),
    ({"headers": {"a b": "c"}}, ValueError, "headers: 'a b' cannot be the name of a header"),
    ({"max_bytes": 1}, ValueError, "max_bytes = 1: must be between 1,024 and 67,108,864"),
])
def test_wrong_option_is_named(service: Service, options: dict[str, Any], error: type[Exception], message: str) -> None:
    """With what would be right."""
    with pytest.raises(error) as raised:
        ProfilesExporter(service.session, **options)
    assert message in str(raised.value)


def test_wrong_variable_costs_a_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The service starts with what would hold without it."""
    wrong = {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector", "OTEL_EXPORTER_OTLP_COMPRESSION": "brotli",
             "OTEL_EXPORTER_OTLP_PROFILES_TIMEOUT": "soon"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING, "spanheap"):
        found = settings()
    assert (found.url, found.gzip, found.timeout_s) == ("http://localhost:4318/v1development/profiles", False, 10.0)
    said = sorted(record.getMessage() for record in caplog.records)
    assert len(said) == 3
    assert all(f"{name} = {value!r}" in line for line, (name, value) in zip(said, sorted(wrong.items()), strict=True))


def test_retry_after_may_be_a_date() -> None:
    """As RFC 9110 has it; what is neither is no wish."""
    def asked(text: str) -> float | None:
        return Response(503, {"retry-after": text}, b"").retry_after_s()

    assert asked("7") == 7 and asked("") is None and asked("soon") is None
    assert asked("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_missing_package_is_named() -> None:
    """With the extra that installs it; and spanheap without profiles imports none of it."""
    code = """
import sys
sys.modules["opentelemetry.proto"] = None
import spanheap
session = spanheap.start(tick=None)
assert not [m for m in sys.modules if m.startswith(("google.protobuf", "spanheap.otlp"))]
session.shutdown()
try:
    spanheap.start(tick=None, profiles_endpoint="http://localhost:4318")
except spanheap.SpanheapError as error:
    print(error)
print(spanheap.current())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "needs opentelemetry-proto 1.40 or later" in done.stdout and "pip install 'spanheap[otlp]'" in done.stdout
    assert done.stdout.endswith("\nNone\n")


def test_messages_of_another_version_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which field is not there, and which versions fit."""
    monkeypatch.setattr("spanheap.otlp.messages._FIELDS", {"Profile": ("sample",), "Sample": ("location_index",)})
    with pytest.raises(ProfilesUnavailable, match=r"Profile\.sample, Sample\.location_index missing.*1\.40"):
        Messages()


def test_exporter_needs_a_running_session(service: Service) -> None:
    """And says so; it may be stopped and started again."""
    exporter = ProfilesExporter(service.session, endpoint="http://127.0.0.1:1").start()
    exporter.stop()
    assert exporter.start()._thread is not None
    service.session.shutdown()
    assert not exporter.export()
    with pytest.raises(spanheap.SpanheapError, match="this session was shut down"):
        exporter.start()


def test_gzip_is_smaller(service: Service, receivers: Receivers) -> None:
    """Counted as sent."""
    receiver = receivers()
    plain, zipped = (ProfilesExporter(service.session, endpoint=receiver.url, compression=c) for c in ("none", "gzip"))
    assert plain.export() and zipped.export()
    assert 0 < zipped.counts().bytes < plain.counts().bytes
    assert "content-encoding" in receiver.wait(2)[1].headers
