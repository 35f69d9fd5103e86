"""Whom the debug server answers. Pure functions of a request's headers.

    Host             localhost, a loopback address, or a name that was allowed: a page of another site that has its own name
                     resolve to 127.0.0.1 (DNS rebinding) still says its own name here
    Sec-Fetch-Site   what a page of another site embeds or fetches is refused: it could not read the answer, but cause work
    X-Spanheap       on POST: a page of another site cannot set it without being asked about first, which nobody answers
    Authorization    the token, where there is one: Bearer, or the password of Basic, which is what
                     `go tool pprof http://:TOKEN@HOST` sends. Never `?token=`: URLs are logged and remembered
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from email.message import Message
from typing import NamedTuple

from spanheap.server.policy import is_ip, is_loopback

POST_HEADER = "X-Spanheap"


class Refusal(NamedTuple):
    status: int
    text: str


def refusal(method: str, headers: Message, *, hosts: Sequence[str], remote: bool, token: str | None) -> Refusal | None:
    """Why this request is not answered; None: it is. remote: the server is meant to be reached from other machines."""
    names = headers.get_all("Host") or []
    if len(names) != 1:
        return Refusal(400, f"one Host header is needed, not {len(names)}")
    host = _without_port(names[0].strip())
    if not _is_ours(host, hosts, remote):
        return Refusal(403, f"the Host {host!r} is not one of this server's: call it by localhost or its address, or allow "
                            f"the name with spanheap.DebugServer(hosts=…)")
    site, mode = headers.get("Sec-Fetch-Site", "none"), headers.get("Sec-Fetch-Mode", "navigate")
    if site not in ("none", "same-origin") and mode != "navigate":
        return Refusal(403, "a page of another site asks for this")
    if token is not None and not _has_token(headers, token):
        return Refusal(401, "a token is needed: Authorization: Bearer TOKEN, or http://:TOKEN@HOST:PORT/ for clients that "
                            "take that")
    if method == "POST" and not headers.get(POST_HEADER):
        return Refusal(403, f"POST needs the header {POST_HEADER} (any value), which pages of other sites cannot send")
    return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_ours(host: str, hosts: Sequence[str], remote: bool) -> bool:
    if host == "localhost" or host in hosts:
        return True
    return is_ip(host) and (remote or is_loopback(host))


def _has_token(headers: Message, token: str) -> bool:
    scheme, _, value = str(headers.get("Authorization", "")).strip().partition(" ")
    given = b""
    if scheme.lower() == "bearer":
        given = value.strip().encode("utf-8", "replace")
    elif scheme.lower() == "basic":
        try:
            given = base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            given = b""
    return hmac.compare_digest(given, token.encode())
