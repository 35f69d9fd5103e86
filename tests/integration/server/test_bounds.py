"""Clients that are many, slow, large or rude: the others are answered, the service goes on, and nothing stays."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

import spanheap
from spanheap.server import connection

from ._http import ask, raw

pytestmark = pytest.mark.once(reason="a matter of the server, not of the CPython")
Script = Callable[..., str]
POST = b"POST /debug/configure HTTP/1.1\r\nHost: localhost\r\nX-Spanheap: 1\r\n"


def connected(url: str) -> socket.socket:
    """A connection on which nothing was sent."""
    host, _, port = urlsplit(url).netloc.rpartition(":")
    return socket.create_connection((host, int(port)), 20)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does; the test's own timeout ends it."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def drip(client: socket.socket) -> None:
    """Send for ten seconds, each byte well within any timeout of a single read."""
    for _ in range(200):
        client.sendall(b"y")
        time.sleep(0.05)


def test_five_clients_at_once(session: spanheap.Session, url: str, leak: list[bytes]) -> None:
    """All are answered, rightly."""
    with ThreadPoolExecutor(5) as pool:
        replies = list(pool.map(lambda _: ask(url, "/debug/pprof/heap"), range(25)))
    assert [reply.status for reply in replies] == [200] * 25
    assert all(len(reply.body) == int(reply.headers["Content-Length"]) for reply in replies)


def test_what_is_beyond_the_bound_is_told_to_come_again(
    session: spanheap.Session, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While four are worked on, a fifth gets 503; when they are done, it is answered."""
    monkeypatch.setattr("spanheap.server.handler.WAIT_S", 0.1)
    at_work, go_on = threading.Semaphore(0), threading.Event()

    def leaks() -> list[spanheap.LeakVerdict]:
        at_work.release()
        go_on.wait(60)
        return []

    monkeypatch.setattr(session, "leaks", leaks)
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(ask, url, "/debug/leaks") for _ in range(connection.REQUESTS)]
        try:
            for _ in slow:
                assert at_work.acquire(timeout=60)
            reply = ask(url, "/debug/stats")
            assert reply.status == 503 and reply.headers["Retry-After"] == "1" and "4 requests" in reply.text
        finally:
            go_on.set()
        assert [s.result().status for s in slow] == [200] * 4
    assert ask(url, "/debug/stats").status == 200


def test_differences_leave_room_for_others(session: spanheap.Session, url: str) -> None:
    """Two may wait, a third is told when to come again, and other requests are answered meanwhile."""
    clients = [connected(url) for _ in range(2)]
    for client in clients:
        client.sendall(b"GET /debug/pprof/heap?seconds=300 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert session._profiler.server is not None
    deltas = session._profiler.server.deltas
    until(lambda: deltas._value == 0)
    reply = ask(url, "/debug/pprof/heap?seconds=7")
    assert reply.status == 503 and reply.headers["Retry-After"] == "7"
    assert ask(url, "/debug/stats").status == 200
    for client in clients:   # a client that goes is not waited for
        client.close()
    until(lambda: deltas._value == connection.DELTAS)
    assert ask(url, "/debug/pprof/heap?seconds=0.01").status == 200


def test_slow_clients_hold_up_nobody_and_are_ended(
    session: spanheap.Session, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that sends byte by byte, and ones that send nothing, are closed at their deadline; others are answered at once."""
    monkeypatch.setattr(connection, "READ_S", 1.0)
    silent = [connected(url) for _ in range(8)]
    dripping = connected(url)
    dripping.sendall(b"GET / HT")
    for _ in range(5):
        assert ask(url, "/debug/stats").status == 200
        dripping.sendall(b"x")
    assert session._profiler.server is not None
    connections = session._profiler.server._connections
    with pytest.raises(OSError, match=r"reset|pipe"):
        drip(dripping)
    until(lambda: not connections)
    for client in [*silent, dripping]:
        client.close()


def test_a_client_that_does_not_read_is_ended(session: spanheap.Session, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be sent is in a file meanwhile: no place among the requests is held."""
    monkeypatch.setattr("spanheap.server.handler.SEND_S", 1.0)
    monkeypatch.setattr("spanheap.server.profiles.text", lambda *args, **options: "x" * 30_000_000)
    with connected(url) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /debug/pprof/heap?debug=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server = session._profiler.server
        assert server is not None
        until(lambda: server.requests == 1 and server.working._value == connection.REQUESTS and bool(server._connections))
        until(lambda: not server._connections)
    assert ask(url, "/debug/stats").json["server"]["errors"] == 0


def test_too_many_connections_are_turned_away(session: spanheap.Session, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once and counted; when the others are gone, it is answered again."""
    idle = [connected(url) for _ in range(connection.CONNECTIONS)]
    server = session._profiler.server
    assert server is not None
    until(lambda: len(server._connections) == connection.CONNECTIONS)
    assert raw(url, b"").startswith(b"HTTP/1.1 503 ") and server.refused == 1
    for client in idle:
        client.close()
    until(lambda: not server._connections)
    assert ask(url, "/debug/stats").json["server"]["turned_away"] == 1


@pytest.mark.parametrize(("data", "status"), [
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 150 + b"\r\n", 431),
    (POST + b"Content-Length: 4097\r\n\r\n", 413),
    (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
    (POST + b"Content-Length: -1\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"nonsense\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
])
def test_requests_that_cannot_be(session: spanheap.Session, url: str, data: bytes, status: int) -> None:
    """A status, no exception, and the next one is answered."""
    assert raw(url, data).split(b" ", 2)[1] == str(status).encode()
    server = ask(url, "/debug/stats").json["server"]
    assert server["errors"] == 0


def test_a_failure_while_answering_is_counted(
    session: spanheap.Session, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And logged the first time; the client is told so, the server goes on."""
    monkeypatch.setattr(session, "leaks", lambda: 1 / 0)
    for _ in range(3):
        assert raw(url, b"GET /debug/leaks HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 500 ")
    assert ask(url, "/debug/stats").json["server"]["errors"] == 3
    assert [r.getMessage() for r in caplog.records].count("spanheap: a request to the debug server failed") == 1


def test_what_answering_allocates_is_not_the_services() -> None:
    """Where every allocation is sampled, none of those in a handler is."""
    with spanheap.profile(sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None,
                          debug_server="127.0.0.1:0") as session:
        assert session.debug_url is not None
        before = session.stats().cpu_s
        for path in ("/", "/debug/spans", "/debug/stats", "/debug/pprof/heap", "/debug/pprof/heap?debug=1"):
            assert ask(session.debug_url, path).status == 200
        until(lambda: session._profiler.server is not None and not session._profiler.server._connections)
        ours = [site for site in session.snapshot().sites()
                if any(f.filename.endswith(("spanheap/server/handler.py", "spanheap/server/routes.py")) for f in site.stack)]
        assert ours == [] and session.stats().cpu_s > before and session.stats().samples_muted > 100


def test_shutdown_ends_it_at_once(provider: object, tmp_path: object) -> None:
    """Connections get an end, threads go, the port is free, the entry is gone; and a new session can be started."""
    before = set(threading.enumerate())
    session = spanheap.start(tick=None, debug_server="127.0.0.1:0")
    url = session.debug_url
    assert url is not None
    waiting = connected(url)
    waiting.sendall(b"GET /debug/pprof/heap?seconds=300 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    silent = connected(url)
    assert session._profiler.server is not None
    deltas = session._profiler.server.deltas
    until(lambda: deltas._value == 1)
    session.shutdown()
    assert session.debug_url is None
    for client in (waiting, silent):
        assert select.select([client], [], [], 20)[0]
        client.close()
    until(lambda: set(threading.enumerate()) <= before)
    with pytest.raises(ConnectionRefusedError):
        connected(url)
    assert os.listdir(os.environ["XDG_RUNTIME_DIR"] + "/spanheap") == []
    with spanheap.profile(tick=None, debug_server=url.removeprefix("http://")) as again:
        assert again.debug_url == url


def test_the_end_of_the_process_does_not_wait(script: Script) -> None:
    """For clients that wait or do nothing; no word on stderr about it."""
    out = script("""
        import socket, sys, threading, time, spanheap
        session = spanheap.start(debug_server="127.0.0.1:0")
        port = int(session.debug_url.rpartition(":")[2])
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        clients[0].sendall(b"GET /debug/pprof/heap?seconds=300 HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        clients[1].sendall(b"GET / HT")
        while session._profiler.server.deltas._value == 2:
            time.sleep(0.01)
        print("end")
    """)   # the script's own timeout is shorter than 300 s
    assert out == "end\n"
