"""Whom the debug server answers."""

from __future__ import annotations

import base64
from email.message import Message

import pytest

from spanheap.server.guard import Refusal, refusal

pytestmark = pytest.mark.once(reason="pure Python")
TOKEN = "0123456789abcdef"


def asked(method: str = "GET", *headers: tuple[str, str], hosts: tuple[str, ...] = (), remote: bool = False,
          token: str | None = None) -> Refusal | None:
    """Ask with these headers; without a Host among them, with a good one."""
    message = Message()
    if not any(name == "Host" for name, _ in headers):
        message["Host"] = "localhost:6060"
    for name, value in headers:
        message[name] = value
    return refusal(method, message, hosts=hosts, remote=remote, token=token)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1", "127.0.0.1:6060", "127.9.9.9",
                                  "[::1]:6060", "[::1]"])
def test_this_machine_by_its_own_names_is_answered(host: str) -> None:
    """Whatever the port: it may be forwarded."""
    assert asked("GET", ("Host", host)) is None


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0",
                                  "[2001:db8::1]:80", "", "2130706433", "0x7f.1", "127.0.0.1@evil.example"])
def test_another_host_is_refused(host: str) -> None:
    """A name that is made to resolve to 127.0.0.1 is still another name."""
    found = asked("GET", ("Host", host))
    assert found is not None and found.status == 403 and repr(host.split(":")[0].strip("[]"))[1:5] in found.text


def test_one_host_header_is_needed() -> None:
    """None, or two, is no request of a browser's."""
    assert refusal("GET", Message(), hosts=(), remote=False, token=None) == Refusal(400, "one Host header is needed, not 0")
    found = asked("GET", ("Host", "localhost"), ("Host", "evil.example"))
    assert found is not None and found.status == 400


def test_names_and_remote_addresses_that_were_allowed() -> None:
    """A name for what is in front; any address where the server is meant to be reached from elsewhere, but no other name."""
    assert asked("GET", ("Host", "Shop.Internal:80"), hosts=("shop.internal",)) is None
    assert asked("GET", ("Host", "10.0.0.1:6060"), remote=True) is None
    assert asked("GET", ("Host", "evil.example"), hosts=("shop.internal",), remote=True) is not None


@pytest.mark.parametrize(("site", "mode", "status"), [
    ("none", "navigate", None), ("same-origin", "cors", None), ("cross-site", "navigate", None),
    ("cross-site", "no-cors", 403), ("same-site", "cors", 403),
])
def test_what_other_sites_embed_is_refused(site: str, mode: str, status: int | None) -> None:
    """A link to here may be followed; an image of here is not fetched."""
    found = asked("GET", ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode))
    assert (found.status if found else None) == status


def basic(password: str) -> str:
    """As `http://:PASSWORD@HOST` sends it."""
    return "Basic " + base64.b64encode(f":{password}".encode()).decode()


@pytest.mark.parametrize(("value", "passes"), [
    (f"Bearer {TOKEN}", True), (f"bearer  {TOKEN} ", True), (basic(TOKEN), True),
    (f"Bearer {TOKEN}x", False), (f"Bearer {TOKEN[:-1]}", False), (f"Token {TOKEN}", False), (TOKEN, False),
    ("Bearer", False), ("Bearer ", False), (basic("x" + TOKEN), False), ("Basic ***", False), ("Bearer ä", False),
    ("Basic " + base64.b64encode(TOKEN.encode()).decode(), False),
])
def test_the_token_is_compared_whole(value: str, passes: bool) -> None:
    """As Bearer or as the password of Basic."""
    found = asked("GET", ("Authorization", value), token=TOKEN)
    assert (found is None) == passes and (passes or (found is not None and found.status == 401))
    assert asked("GET", token=TOKEN) is not None and asked("GET", ("Authorization", value)) is None


def test_post_needs_a_header_that_pages_cannot_send() -> None:
    """Any value will do."""
    found = asked("POST")
    assert found is not None and found.status == 403 and "X-Spanheap" in found.text
    assert asked("POST", ("X-Spanheap", "1")) is None
