"""Where profiles are sent and how: arguments first, then the environment, as the other OTLP exporters read it.

A wrong argument raises; a wrong variable is somebody else's who started the service, and costs a line in the log.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
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
        scheme, host, port, path, _headers(headers), _timeout(timeout), _gzip(compression),
        certificate or _variable("CERTIFICATE"), _variable("CLIENT_CERTIFICATE"), _variable("CLIENT_KEY"),
    )


def _variable(name: str) -> str | None:
    """Of this signal, else of all."""
    return os.environ.get(f"OTEL_EXPORTER_OTLP_PROFILES_{name}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") or None


def _endpoint(given: str | None) -> tuple[str, str, int, str]:
    if given is not None:
        if not isinstance(given, str):
            raise TypeError(f"endpoint must be a URL such as {DEFAULT_ENDPOINT}, not {given!r}")
        parts = _split(_with_path(given))
        if parts is None:
            raise ValueError(f"endpoint = {given!r}: expected http:// or https://, a host and maybe a port, such as "
                             f"{DEFAULT_ENDPOINT}")
        return parts
    of_signal, of_all = os.environ.get("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT"), os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    wanted = of_signal or _with_path(of_all or DEFAULT_ENDPOINT)   # that of the signal is taken as it is
    parts = _split(wanted)
    if parts is None:
        logger.warning("spanheap: %s is no http:// or https:// URL; profiles go to %s", wanted, DEFAULT_ENDPOINT)
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

    headers = dict(parse_env_headers(_variable("HEADERS") or "", liberal=True))
    for name, value in (given or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"headers must be a mapping of str to str, not {name!r}: {type(value).__name__}")
        headers[name.lower()] = value
    for name, value in list(headers.items()):
        if not name or not (name + value).isprintable() or not name.isascii() or any(c in " :\t" for c in name):
            if given is not None and name in {key.lower() for key in given}:
                raise ValueError(f"headers: {name!r} cannot be the name of a header, or its value has a control character")
            logger.warning("spanheap: a header of OTEL_EXPORTER_OTLP_HEADERS cannot be sent and is left out: %r", name)
            del headers[name]
    return headers


def _timeout(given: float | None) -> float:
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            raise TypeError(f"timeout must be a number of seconds, not {given!r}")
        if not 0 < given <= _MAX_TIMEOUT_S:
            raise ValueError(f"timeout = {given!r}: must be above 0 and at most {_MAX_TIMEOUT_S:.0f} seconds")
        return float(given)
    text = _variable("TIMEOUT")
    if text is None:
        return _DEFAULT_TIMEOUT_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MAX_TIMEOUT_S:
        logger.warning("spanheap: OTEL_EXPORTER_OTLP_TIMEOUT = %r is no number of seconds up to %.0f; profiles are given "
                       "%.0f", text, _MAX_TIMEOUT_S, _DEFAULT_TIMEOUT_S)
        return _DEFAULT_TIMEOUT_S
    return seconds


def _gzip(given: str | None) -> bool:
    if given is not None and given not in ("gzip", "none"):
        raise ValueError(f"compression = {given!r}: must be 'gzip' or 'none'")
    wanted = given or (_variable("COMPRESSION") or "none").strip().lower()
    if wanted not in ("gzip", "none"):
        logger.warning("spanheap: OTEL_EXPORTER_OTLP_COMPRESSION = %r is not gzip or none; profiles are not compressed",
                       wanted)
    return wanted == "gzip"
