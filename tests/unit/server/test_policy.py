"""What `debug_server=` accepts, and what it says of what it does not."""

from __future__ import annotations

import pytest

import spanheap
from spanheap.server.policy import TcpAddress, UnixAddress, policy_of

pytestmark = pytest.mark.once(reason="pure Python")
TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(("text", "where"), [
    ("127.0.0.1:6060", TcpAddress("127.0.0.1", 6060)),
    ("127.8.0.1:0", TcpAddress("127.8.0.1", 0)),
    ("localhost:1", TcpAddress("127.0.0.1", 1)),
    ("[::1]:65535", TcpAddress("::1", 65535)),
    ("unix:/run/shop/{pid}.sock", UnixAddress("/run/shop/{pid}.sock")),
])
def test_an_address_is_taken(text: str, where: object) -> None:
    """Loopback ones, localhost without a look-up, and sockets."""
    policy = policy_of(text)
    assert policy is not None and policy.where == where
    assert str(policy.where) == text.replace("localhost", "127.0.0.1")


@pytest.mark.parametrize(("value", "error", "says"), [
    ("6060", ValueError, "not '6060'"),
    (":6060", ValueError, "not ':6060'"),
    ("127.0.0.1:", ValueError, "not '127.0.0.1:'"),
    ("127.0.0.1:65536", ValueError, "127.0.0.1:6060"),
    ("127.0.0.1:٣", ValueError, "not '127.0.0.1:٣'"),
    ("::1:6060", ValueError, "not '::1:6060'"),
    ("http://127.0.0.1:6060", ValueError, "debug_server must be"),
    ("example.com:6060", ValueError, "in figures"),
    ("unix:sock", ValueError, "absolute path"),
    ("unix:/run/{pid}/", ValueError, "absolute path"),
    ("unix:/run/shop.sock", ValueError, "{pid}"),
    ("unix:/run/{pid}/shop.sock", ValueError, "{pid}"),
    ("unix:/" + "x" * 96 + "{pid}.sock", ValueError, "at most 107 bytes, not the 109"),
    (6060, TypeError, "not 6060"),
    (True, TypeError, "not True"),
])
def test_what_is_no_address_is_named(value: object, error: type[Exception], says: str) -> None:
    """The value, and what would be right."""
    with pytest.raises(error) as caught:
        policy_of(value)
    assert says in str(caught.value)
    with pytest.raises(error):
        spanheap.start(debug_server=value)  # type: ignore[arg-type]
    assert spanheap.current() is None


@pytest.mark.parametrize("address", ["0.0.0.0:6060", "10.1.2.3:6060", "[::]:6060", "[2001:db8::1]:6060"])
def test_only_loopback_unless_told_otherwise(address: str) -> None:
    """The error says how; and then it must have a token."""
    with pytest.raises(ValueError, match=r"use 127\.0\.0\.1:6060, or pass .*\(.*allow_remote=True, token=…"):
        spanheap.DebugServer(address)
    with pytest.raises(ValueError, match="needs a token"):
        spanheap.DebugServer(address, allow_remote=True)
    assert spanheap.DebugServer(address, allow_remote=True, token=TOKEN).address == address


def test_a_token_is_long_enough_and_never_shown() -> None:
    """Neither in an error nor in a repr."""
    for token in ("short", "with a blank 0123456789", "x" * 513, "ä" * 20):
        with pytest.raises(ValueError, match="16 to 512") as caught:
            spanheap.DebugServer(token=token)
        assert token not in str(caught.value)
    assert TOKEN not in repr(spanheap.DebugServer(token=TOKEN))


def test_hosts_are_names_without_ports() -> None:
    """A sequence of them, in lower case from then on."""
    for hosts in ("shop.internal", ("shop.internal:80",), ("http://x",), ("",)):
        with pytest.raises(ValueError, match="hosts"):
            spanheap.DebugServer(hosts=hosts)  # type: ignore[arg-type]
    assert spanheap.DebugServer(hosts=("Shop.Internal",)).hosts == ("shop.internal",)
    with pytest.raises(TypeError, match="allow_remote"):
        spanheap.DebugServer(allow_remote=1)  # type: ignore[arg-type]
