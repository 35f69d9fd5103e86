"""Where profiles are sent and how: arguments first, then the environment, as the other OTLP exporters read it.

A wrong argument raises; a wrong variable is somebody else's who started the service, and costs a line in the log.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

logger = logging.getLogger("spanheap")

PATH = "/v1development/profiles"
DEFAULT_ENDPOINT = "http://localhost:4318"
_DEFAULT_TIMEOUT_S = 10.0
_MAX_TIMEOUT_S = 300.0


class Settings(NamedTuple):
    """Checked."""

    scheme: str
    host: str
    port: int
    path: str
    headers: dict[str, str]
    timeout_s: float
    """Of an export, retries included."""
    gzip: bool
    certificate: str | None
    """Of the authority, a file; None: those that the system trusts."""
    client_certificate: str | None
    client_key: str | None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def settings(
    endpoint: str | None = None, headers: Mapping[str, str] | None = None, timeout: float | None = None,
    compression: str | None = None, certificate: str | None = None,
) -> Settings:
    """Raises TypeError or ValueError for an argument that cannot be."""
    scheme, host, port, path = _endpoint(endpoint)
    return Settings(
        scheme, host, port, path, _headers(headers), _timeout(timeout), _gzip(compression), *_files(scheme, certificate))


def _variable(name: str) -> tuple[str, str | None]:
    """Full name and value: that of this signal, else that of all."""
    of_signal, of_all = f"OTEL_EXPORTER_OTLP_PROFILES_{name}", f"OTEL_EXPORTER_OTLP_{name}"
    if text := os.environ.get(of_signal, "").strip():
        return of_signal, text
    return of_all, os.environ.get(of_all, "").strip() or None


def endpoint_parts(given: str, name: str = "endpoint") -> tuple[str, str, int, str]:
    """Scheme, host, port and path of the argument of this name. Raises TypeError or ValueError."""
    if not isinstance(given, str):
        raise TypeError(f"{name} must be a URL such as {DEFAULT_ENDPOINT}, not {given!r}")
    parts = _split(_with_path(given))
    if parts is None:
        raise ValueError(f"{name} = {given!r}: expected an http:// or https:// URL with a host and maybe a port, such as "
                         f"{DEFAULT_ENDPOINT}")
    return parts


def _endpoint(given: str | None) -> tuple[str, str, int, str]:
    if given is not None:
        return endpoint_parts(given)
    name, text = _variable("ENDPOINT")
    # That of the signal is taken as it is.
    parts = _split(text if text and "PROFILES" in name else _with_path(text or DEFAULT_ENDPOINT))
    if parts is None:
        logger.warning("spanheap: %s = %r is no http:// or https:// URL; profiles go to %s", name, text, DEFAULT_ENDPOINT)
        parts = _split(DEFAULT_ENDPOINT + PATH)
        assert parts is not None
    return parts


def _with_path(base: str) -> str:
    base = base.strip().rstrip("/")
    return base if base.endswith(PATH) else base + PATH


def _split(url: str) -> tuple[str, str, int, str] | None:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return None
    readable = url.isascii() and url.strip().isprintable() and " " not in url.strip()
    if parts.scheme not in ("http", "https") or not parts.hostname or not readable or port == 0:
        return None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), target


def _headers(given: Mapping[str, str] | None) -> dict[str, str]:
    from opentelemetry.util.re import parse_env_headers

    variable, text = _variable("HEADERS")
    headers = dict(parse_env_headers(text or "", liberal=True))
    for name, value in (given or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"headers must be a mapping of str to str, not {name!r}: {type(value).__name__}")
        headers[name.lower()] = value
    for name, value in list(headers.items()):
        if not name or not (name + value).isprintable() or not name.isascii() or any(c in " :\t" for c in name):
            if given is not None and name in {key.lower() for key in given}:
                raise ValueError(f"headers: {name!r} cannot be the name of a header, or its value has a control character")
            logger.warning("spanheap: a header of %s cannot be sent and is left out: %r", variable, name)
            del headers[name]
    return headers


def _timeout(given: float | None) -> float:
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            raise TypeError(f"timeout must be a number of seconds, not {given!r}")
        if not 0 < given <= _MAX_TIMEOUT_S:
            raise ValueError(f"timeout = {given!r}: must be above 0 and at most {_MAX_TIMEOUT_S:.0f} seconds")
        return float(given)
    name, text = _variable("TIMEOUT")
    if text is None:
        return _DEFAULT_TIMEOUT_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MAX_TIMEOUT_S:
        logger.warning("spanheap: %s = %r is no number of seconds up to %.0f; profiles are given %.0f",
                       name, text, _MAX_TIMEOUT_S, _DEFAULT_TIMEOUT_S)
        return _DEFAULT_TIMEOUT_S
    return seconds


def _gzip(given: str | None) -> bool:
    if given is not None and given not in ("gzip", "none"):
        raise ValueError(f"compression = {given!r}: must be 'gzip' or 'none'")
    name, text = _variable("COMPRESSION")
    wanted = given or (text or "none").lower()
    if wanted not in ("gzip", "none"):
        logger.warning("spanheap: %s = %r is not gzip or none; profiles are not compressed", name, wanted)
    return wanted == "gzip"


def _files(scheme: str, certificate: str | None) -> tuple[str | None, str | None, str | None]:
    """Of the authority, of the client, and its key. What a variable names and TLS cannot use is left out."""
    if scheme != "https":
        return certificate, None, None
    import ssl  # only who uses it pays for the import

    key = _variable("CLIENT_KEY")[1]
    authority = certificate or _usable("CERTIFICATE", lambda path: ssl.create_default_context(cafile=path))
    client = _usable("CLIENT_CERTIFICATE", lambda path: ssl.create_default_context().load_cert_chain(path, key))
    return authority, client, key


def _usable(variable: str, load: Callable[[str], object]) -> str | None:
    name, path = _variable(variable)
    try:
        if path is not None:
            load(path)
    except OSError as error:   # ssl.SSLError is one
        logger.warning("spanheap: %s = %r cannot be used, profiles are sent without: %s", name, path, error)
        return None
    return path
