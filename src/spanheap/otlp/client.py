"""One POST, with an end: whatever the other side does or does not do, it is over when its time is.

Over a plain socket, since the time-out of http.client is one for each read: a receiver that sends a byte a second would
hold it for ever. Each request has a connection of its own: one a minute is not worth keeping one open.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from spanheap.otlp.settings import Settings
from spanheap.version import __version__

if TYPE_CHECKING:
    import ssl

_MAX_RESPONSE = 64 * 1024


class Response(NamedTuple):
    """What the receiver answered."""

    status: int
    headers: dict[str, str]
    body: bytes
    """Its first 64 KiB."""

    def retry_after_s(self) -> float | None:
        """What `Retry-After` asks for: seconds, or a date."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        from email.utils import parsedate_to_datetime  # nobody else needs it

        try:
            return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
        except (TypeError, ValueError, OverflowError):
            return None


class Client:
    """Sends requests, one at a time; `abort()` from another thread ends the one that is under way."""

    def __init__(self, settings: Settings) -> None:
        """Raises OSError where a certificate cannot be read."""
        self._settings = settings
        self._tls = _context(settings) if settings.scheme == "https" else None
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._aborted = False

    def post(self, body: bytes, *, gzipped: bool, timeout_s: float) -> Response:
        """Raises TimeoutError, or OSError where there is no connection or no HTTP on it."""
        deadline = time.monotonic() + timeout_s
        s = self._settings
        with self._lock:
            if self._aborted:
                raise OSError("the exporter was stopped")
        connection = socket.create_connection((s.host, s.port), _left(deadline))
        try:
            with self._lock:
                self._socket = connection
                if self._aborted:
                    raise OSError("the exporter was stopped")
            connection.settimeout(_left(deadline))
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_hostname=s.host)
                with self._lock:
                    self._socket = connection
            connection.settimeout(_left(deadline))
            connection.sendall(self._head(len(body), gzipped))
            connection.settimeout(_left(deadline))
            connection.sendall(body)
            return _response(connection, deadline)
        finally:
            with self._lock:
                self._socket = None
            connection.close()

    def abort(self) -> None:
        """Nothing is sent any more."""
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _head(self, length: int, gzipped: bool) -> bytes:
        s = self._settings
        host = f"[{s.host}]" if ":" in s.host else s.host
        headers = {
            "host": f"{host}:{s.port}", "user-agent": f"spanheap-otlp-profiles/{__version__}", **s.headers,
            "content-type": "application/x-protobuf", "content-length": str(length), "connection": "close",
            **({"content-encoding": "gzip"} if gzipped else {}),
        }
        lines = [f"POST {s.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")


def _context(settings: Settings) -> ssl.SSLContext:
    import ssl  # only who uses it pays for the import

    context = ssl.create_default_context(cafile=settings.certificate)
    if settings.client_certificate:
        context.load_cert_chain(settings.client_certificate, settings.client_key)
    return context


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def _response(connection: socket.socket, deadline: float) -> Response:
    """Read until the receiver has said all, has closed, or has said more than anybody reads."""
    received = bytearray()
    while b"\r\n\r\n" not in received and len(received) < _MAX_RESPONSE:
        if not _receive(connection, received, deadline):
            break
    head, _, rest = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, after = first.partition(" ")
    if not version.startswith("HTTP/1.") or not after[:3].isdigit():
        raise OSError(f"the receiver does not speak HTTP/1.1: {first[:40]!r}")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = bytearray(rest)
    length = headers.get("content-length", "")
    chunked = "chunked" in headers.get("transfer-encoding", "").lower()
    wanted = min(int(length), _MAX_RESPONSE) if length.isdigit() and not chunked else _MAX_RESPONSE
    while len(body) < wanted and not (chunked and body.endswith(b"0\r\n\r\n")):
        if not _receive(connection, body, deadline):
            break
    return Response(int(after[:3]), headers, _unchunked(bytes(body)) if chunked else bytes(body[:wanted]))


def _receive(connection: socket.socket, into: bytearray, deadline: float) -> bool:
    connection.settimeout(_left(deadline))
    data = connection.recv(16 * 1024)
    into += data
    return bool(data)


def _unchunked(body: bytes) -> bytes:
    data = bytearray()
    while body:
        size, _, body = body.partition(b"\r\n")
        try:
            n = int(size.split(b";")[0], 16)
        except ValueError:
            break
        if n <= 0:
            break
        data += body[:n]
        body = body[n + 2 :]
    return bytes(data)
