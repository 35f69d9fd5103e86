"""One request to the debug server: read, checked, answered; then the connection is closed."""

from __future__ import annotations

import contextlib
import io
import socket
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from spanheap.errors import SpanheapError
from spanheap.server import guard
from spanheap.server.answer import TEXT, Answer, Problem
from spanheap.server.connection import (
    BODY_BYTES,
    DELTAS,
    HEAD_BYTES,
    REQUESTS,
    SEND_S,
    WAIT_S,
    BoundedReader,
    Connection,
    RequestTooLarge,
)
from spanheap.server.routes import ROUTES, Request
from spanheap.version import __version__

if TYPE_CHECKING:
    from spanheap.server.server import Server
    from spanheap.session import Session

_WORK_S = 120.0   # for an answer to be made; most take milliseconds
_METHODS = ("GET", "HEAD", "POST")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
                               "form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Writer(io.BufferedIOBase):
    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._client.sendall(data)
        return len(data)


class Handler(BaseHTTPRequestHandler):
    """Takes the parsing of requests and the writing of heads from the standard library; `answer` does the rest."""

    protocol_version = "HTTP/1.1"
    server_version = f"spanheap/{__version__}"
    sys_version = ""

    def __init__(self, server: Server, session: Session, connection: Connection) -> None:
        # Not super().__init__(), which answers at once, and in its own way.
        self._server, self._session, self._connection = server, session, connection
        self.client_address = ("", 0)
        self._reader = BoundedReader(connection.socket, HEAD_BYTES)
        self.rfile, self.wfile = self._reader, _Writer(connection.socket)
        self.close_connection = True
        self.command, self.requestline, self.request_version = "", "", "HTTP/1.1"

    def answer(self) -> None:
        """Raises OSError when the client has gone or is too slow."""
        try:
            self.raw_requestline = self._reader.readline()
            if not self.raw_requestline.strip() or not self.parse_request():
                return
            self._send(self._answered())
        except RequestTooLarge:
            self._refuse(431, f"the request has more than {HEAD_BYTES:,} bytes of headers or {BODY_BYTES:,} of body")

    def _answered(self) -> Answer:
        self._server.requests += 1
        try:
            return self._route()
        except Problem as problem:
            return _plain(problem.status, str(problem), problem.headers)
        except (SpanheapError, MemoryError, OSError) as error:   # shut down meanwhile, no room to write …
            return _plain(503, str(error) or "no memory for an answer")
        except Exception:
            self._server.failed()
            return _plain(500, "this could not be answered; the log of the service says more")

    def _route(self) -> Answer:
        if self.command not in _METHODS:
            raise Problem(405, f"{self.command} is not answered here", Allow=", ".join(_METHODS))
        policy = self._server.policy
        remote = policy.allow_remote
        if refusal := guard.refusal(self.command, self.headers, hosts=policy.hosts, remote=remote, token=policy.token):
            extra = {"WWW_Authenticate": 'Basic realm="spanheap"'} if refusal.status == 401 else {}
            raise Problem(refusal.status, refusal.text, **extra)
        parts = urlsplit(self.path)
        method = "POST" if self.command == "POST" else "GET"
        route = ROUTES.get((method, parts.path))
        if route is None:
            others = [m for m in ("GET", "POST") if (m, parts.path) in ROUTES]
            if others:
                raise Problem(405, f"{parts.path} takes {others[0]}", Allow=others[0])
            raise Problem(404, f"there is no {parts.path[:200]!r} here; / lists what there is")
        try:
            query = parse_qs(parts.query, keep_blank_values=True, max_num_fields=16)
        except ValueError:
            raise Problem(400, "the query has more than 16 parameters") from None
        if "token" in query:
            raise Problem(400, "a token is not taken from the URL, which is logged and remembered: send "
                               "Authorization: Bearer TOKEN")
        body = self._body()
        self._connection.allow(_WORK_S)
        request = Request(self._session, self._server, {key: values[-1] for key, values in query.items()}, body,
                          str(self.headers.get("Accept", "")), self._wait)
        with self._at_work():
            return route(request)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise Problem(411, "a body needs its Content-Length")
        length = str(self.headers.get("Content-Length", "0")).strip()
        if not length.isascii() or not length.isdigit():
            raise Problem(400, f"Content-Length must be a number, not {length[:40]!r}")
        if int(length[:20]) > BODY_BYTES:
            raise Problem(413, f"a body may have {BODY_BYTES:,} bytes, not {length[:20]}")
        self._reader.more(int(length))
        body = self._reader.read(int(length))
        if len(body) < int(length):
            raise Problem(400, f"the body ends after {len(body)} of {length} bytes")
        return body

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        if not self._server.working.acquire(timeout=WAIT_S):
            raise Problem(503, f"{REQUESTS} requests are being answered already", Retry_After="1")
        try:
            yield
        finally:
            self._server.working.release()

    def _wait(self, seconds: float) -> bool:
        """Between the snapshots of a difference: others are answered meanwhile, but for too many of the same."""
        if not self._server.deltas.acquire(blocking=False):
            raise Problem(503, f"{DELTAS} requests with ?seconds= are being answered already", Retry_After=f"{seconds:.0f}")
        self._server.working.release()
        try:
            self._connection.allow(seconds + _WORK_S)
            return self._connection.wait(seconds)
        finally:
            self._server.working.acquire()
            self._server.deltas.release()

    def _send(self, answer: Answer) -> None:
        file: IO[bytes] | None = None
        if isinstance(answer.body, bytes):
            length = len(answer.body)
        else:
            file = self._connection.spool = answer.body
            length = file.seek(0, io.SEEK_END)
        self._connection.allow(SEND_S)
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.content_type, "Content-Length": str(length), "Connection": "close",
                            **_HEADERS, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if file is not None:
            self._connection.send_file(file)
        else:
            assert isinstance(answer.body, bytes)
            self._connection.socket.sendall(answer.body)

    def _refuse(self, status: int, text: str) -> None:
        with contextlib.suppress(OSError):
            self._send(_plain(status, text))

    # ------------------------------------------------------------ of BaseHTTPRequestHandler

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What cannot be parsed."""
        self.request_version = "HTTP/1.1"   # of the answer: one to HTTP/0.9 would have no head
        self._refuse(int(code), message or "no HTTP request")

    def log_message(self, format: str, *args: Any) -> None:
        """The service's log is not for this."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(timestamp))   # super's imports when it is first called


def _plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(" ".join(text.split()).encode("utf-8", "replace") + b"\n", TEXT, status, headers or {})
