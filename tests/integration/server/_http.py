"""A client for tests: one request, one connection, nothing hidden."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from spanheap import _core


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """As people see it."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """As programs see it."""
        assert self.headers["Content-Type"] == "application/json", self.text
        return json.loads(self.body)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(url: str, path: str, method: str = "GET", body: bytes | None = None, timeout: float = 30.0, **headers: str) -> Reply:
    """Ask the server at this url (http://… or unix:…); headers: with _ for -. What the client allocates is not sampled."""
    with _core.Muted():
        return _ask(url, path, method, body, timeout, headers)


def _ask(url: str, path: str, method: str, body: bytes | None, timeout: float, headers: dict[str, str]) -> Reply:
    if url.startswith("unix:"):
        connection: http.client.HTTPConnection = _Unix(url.removeprefix("unix:"), timeout)
    else:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def raw(url: str, data: bytes, timeout: float = 20.0) -> bytes:
    """Send these bytes; returns all that comes until the server closes."""
    host, _, port = urlsplit(url).netloc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout) as client:
        client.sendall(data)
        parts = []
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)
