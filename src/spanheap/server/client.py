"""Asks a debug server, for the command line. Whatever goes wrong becomes a TargetError that says what to do."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from spanheap.errors import SpanheapError
from spanheap.server import entry
from spanheap.server.guard import POST_HEADER
from spanheap.server.terminal_text import printable

TIMEOUT_S = 30.0
TOKEN_VARIABLE = "SPANHEAP_DEBUG_TOKEN"
MOST_BYTES = 1 << 30
_MOST_JSON_BYTES = 64 << 20
_HOW = 'OTEL_PYTHON_SPANHEAP_DEBUG_SERVER=127.0.0.1:6060, or in code spanheap.start(debug_server="127.0.0.1:6060")'


class TargetError(SpanheapError):
    """The process or the server cannot be asked."""


class Unreachable(TargetError):
    """Nobody answers."""


class UsageError(SpanheapError):
    """What was given is no process and no server."""


def entry_of(pid: int) -> entry.Entry:
    """The server of this process. Raises TargetError."""
    status = process_status(pid)
    if "Uid" not in status:
        raise TargetError(f"there is no process {pid}")
    owner = int(status["Uid"].split()[1])   # the effective one
    try:
        found = entry.of(pid, owner)
    except PermissionError as error:
        raise TargetError(f"no permission to look where process {pid} says how it can be asked ({error.filename}): it is "
                          f"{_user(owner)}'s; ask as that user, or give the URL") from None
    if found is not None:
        return found
    if owner != os.geteuid() and os.geteuid() != 0:
        raise TargetError(f"process {pid} is {_user(owner)}'s: ask as that user, or give the URL of its debug server")
    raise TargetError(f"process {pid} ({status.get('Name', '')}) has no debug server of spanheap: start it with {_HOW}; in "
                      f"a forked worker it is there from the first span on; in a container, ask from within or give the URL")


def process_status(pid: int) -> dict[str, str]:
    """What /proc says of it; empty: there is none."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
            return {name: value.strip() for name, _, value in (line.partition(":") for line in f)}
    except OSError:
        return {}


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def only_entry() -> entry.Entry:
    """The server of the only process of this user that has one. Raises TargetError."""
    found = entry.all_of(os.geteuid())
    if not found:
        raise TargetError(f"no process of this user has a debug server: start one with {_HOW}, or give a URL")
    if len(found) > 1:
        listed = "".join(f"\n  {each.pid:>7}  {each.program}  {each.url}" for each in found[:50])
        raise TargetError(f"{len(found)} processes have a debug server: say which one{listed}")
    return found[0]


class Target:
    """What a command was given: a process, by its number or as the only one, or the URL of a server."""

    def __init__(self, text: str | None, *, timeout: float = TIMEOUT_S) -> None:
        """Raises UsageError for what is neither, TargetError where there is no such process or server."""
        self.entry: entry.Entry | None = None
        if text is None:
            self.entry = only_entry()
        elif text.isascii() and text.isdigit():
            self.entry = entry_of(int(text[:12]))
        elif not text.startswith(("http://", "https://", "unix:/")):
            raise UsageError(f"{text!r} is neither the number of a process nor http://HOST:PORT nor unix:/PATH")
        self.client = Client(self.entry.url if self.entry is not None else str(text), timeout=timeout)


def connected(url: str, timeout: float) -> socket.socket:
    """A connection to the server. Raises OSError."""
    if url.startswith("unix:"):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(timeout)
        try:
            client.connect(url.removeprefix("unix:"))
        except BaseException:
            client.close()
            raise
        return client
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 80), timeout)


class _Connection(http.client.HTTPConnection):
    def __init__(self, url: str, timeout: float) -> None:
        super().__init__("localhost" if url.startswith("unix:") else urlsplit(url).netloc, timeout=timeout)
        self._url = url

    def connect(self) -> None:
        assert isinstance(self.timeout, float)
        self.sock = connected(self._url, self.timeout)


class Client:
    """Of one server. The token comes from the environment or from the URL: not from an argument, which `ps` shows."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT_S) -> None:
        """Raises UsageError."""
        self.url, self._timeout = url, timeout
        self._token = os.environ.get(TOKEN_VARIABLE, "")
        if url.startswith("unix:"):
            return
        try:
            parts = urlsplit(url)
            parts.port   # raises  # noqa: B018
        except ValueError as error:
            raise UsageError(f"{url!r} is no URL: {error}") from None
        if not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise UsageError(f"{_without_token(url)!r} must be the server alone: http://HOST:PORT")
        if parts.password:
            self._token = unquote(parts.password)
            self.url = _without_token(url)

    def get_json(self, path: str) -> Any:
        """Raises TargetError."""
        with self._answer("GET", path) as answer:
            return self._json(answer)

    def post_json(self, path: str) -> Any:
        """Raises TargetError."""
        with self._answer("POST", path) as answer:
            return self._json(answer)

    def chunks(self, path: str) -> Iterator[bytes]:
        """The whole of a file, part by part, or TargetError."""
        with self._answer("GET", path) as answer:
            expected, got = int(answer.headers.get("Content-Length") or -1), 0
            while part := answer.read(1 << 16):
                got += len(part)
                if got > MOST_BYTES:
                    raise TargetError(f"{self.url}: the answer has more than {MOST_BYTES >> 20} MiB")
                yield part
            if got != expected:
                raise TargetError(f"{self.url}: the answer ends after {got:,} of {expected:,} bytes")

    def _json(self, answer: http.client.HTTPResponse) -> Any:
        body = answer.read(_MOST_JSON_BYTES)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise TargetError(f"{self.url}: there is no debug server of spanheap there: the answer is no JSON") from None

    @contextlib.contextmanager
    def _answer(self, method: str, path: str) -> Iterator[http.client.HTTPResponse]:
        secure = self.url.startswith("https://")
        connection = (http.client.HTTPSConnection(urlsplit(self.url).netloc, timeout=self._timeout) if secure
                      else _Connection(self.url, self._timeout))
        headers = {"Accept": "application/json", POST_HEADER: "1", "Connection": "close"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            ours = str(answer.headers.get("Server", "")).startswith("spanheap/")
            if not ours and not secure:   # a proxy in front may say its own name
                raise TargetError(f"{self.url}: somebody answers, but no debug server of spanheap")
            if answer.status != 200:
                raise self._refused(answer)
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url}: {_why(error, self._timeout)}") from None
        finally:
            connection.close()

    def _refused(self, answer: http.client.HTTPResponse) -> TargetError:
        says = _one_line(answer.read(1000).decode("utf-8", "replace"))
        if answer.status == 401:
            wrong = "it does not take this token" if self._token else "it needs a token"
            return TargetError(f"{self.url}: {wrong}: set {TOKEN_VARIABLE}")
        return TargetError(f"{self.url}: {says or _one_line(answer.reason)} (status {answer.status})")


def _why(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s: the process may be stopped, or hold the GIL"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nobody listens there (any more)"
    if isinstance(error, PermissionError):
        return "no permission: the socket is for the user of the process alone"
    if isinstance(error, FileNotFoundError):
        return "there is no such socket: the process has ended, or has another"
    if isinstance(error, socket.gaierror):
        return f"the host is not known: {error.strerror}"
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    """Of what a stranger sends: nothing that a terminal would obey."""
    return printable(" ".join(text.split()))


def _without_token(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
