"""Where the debug server listens, and whom it lets in: checked when it is asked for."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
from dataclasses import dataclass
from typing import NamedTuple

PORT = 6060   # that of Go's net/http/pprof, which people and tools try first
_LONGEST_PATH = 107   # of a unix socket: the kernel's sun_path
_LONGEST_PID = 7
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_TOKEN = re.compile(r"[!-~]{16,512}")
_EXPECTED = '"127.0.0.1:6060", "[::1]:0" or "unix:/path/{pid}.sock"'


class TcpAddress(NamedTuple):
    host: str   # an address in figures
    port: int   # 0: any that is free

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(NamedTuple):
    path: str   # with {pid}

    def of(self, pid: int) -> str:
        return self.path.replace("{pid}", str(pid))

    def __str__(self) -> str:
        return f"unix:{self.path}"


def is_ip(host: str) -> bool:
    """Whether this is an address in figures."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError, UnicodeError):
            continue
        return True
    return False


def is_loopback(host: str) -> bool:
    """Of an address in figures."""
    if ":" not in host:
        return host.startswith("127.")
    return socket.inet_pton(socket.AF_INET6, host) == b"\0" * 15 + b"\1"


def parsed(text: str) -> TcpAddress | UnixAddress:
    """The address meant by a text. Raises ValueError."""
    if text.startswith("unix:"):
        return _unix(text)
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:   # an IPv6 address without brackets: which colon is the port's?
        colon = ""
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"debug_server must be {_EXPECTED}, not {text!r}")
    host = "127.0.0.1" if host == "localhost" else host
    if not is_ip(host):
        raise ValueError(f"debug_server must have its host in figures (127.0.0.1, ::1), not by the name {host!r}")
    return TcpAddress(host, int(port))


def _unix(text: str) -> UnixAddress:
    path = text[len("unix:"):]
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError(f"debug_server must have the absolute path of a socket, unix:/path/{{pid}}.sock, not {text!r}")
    if "{pid}" not in os.path.basename(path):
        raise ValueError(f"debug_server must have {{pid}} in the name of the socket, since each process of a service has "
                         f"one of its own: unix:/path/{{pid}}.sock, not {text!r}")
    longest = len(os.fsencode(path.replace("{pid}", "9" * _LONGEST_PID)))
    if longest > _LONGEST_PATH:
        raise ValueError(f"debug_server must have a path of at most {_LONGEST_PATH} bytes, not the {longest} of {text!r}")
    return UnixAddress(path)


@dataclass(frozen=True)
class DebugServer:
    """Passed as `debug_server=`; a string is short for `DebugServer(string)`. docs/debug-server.md.

    Raises TypeError or ValueError for a value that cannot be.
    """

    address: str = f"127.0.0.1:{PORT}"
    """"HOST:PORT", port 0: any; when it is taken, the next free one. "unix:/path/{pid}.sock": mode 0600 in a folder 0700."""
    token: str | None = dataclasses.field(default=None, repr=False)
    """When given, requests need it, as `Authorization: Bearer TOKEN` or as the password of Basic: 16 characters or more."""
    allow_remote: bool = False
    """Whether the address may be another than a loopback one; then the token is needed."""
    hosts: tuple[str, ...] = ()
    """Names by which clients may call the server, beside localhost and addresses: for what is in front of it."""

    def __post_init__(self) -> None:
        if not isinstance(self.address, str):
            raise TypeError(f"debug_server must be {_EXPECTED}, not {self.address!r}")
        if not isinstance(self.allow_remote, bool):
            raise TypeError(f"DebugServer(allow_remote=…) must be True or False, not {self.allow_remote!r}")
        if self.token is not None and (not isinstance(self.token, str) or not _TOKEN.fullmatch(self.token)):
            raise ValueError("DebugServer(token=…) must be 16 to 512 visible ASCII characters without blanks: "
                             "secrets.token_urlsafe() makes one")   # not the value: it is a secret
        if isinstance(self.hosts, str) or not all(isinstance(h, str) and _HOST_NAME.fullmatch(h) for h in self.hosts):
            raise ValueError(f"DebugServer(hosts=…) must be a sequence of host names without ports, not {self.hosts!r}")
        object.__setattr__(self, "hosts", tuple(host.lower() for host in self.hosts))
        where = parsed(self.address)
        if isinstance(where, TcpAddress) and not where.is_loopback:
            if not self.allow_remote:
                raise ValueError(f"debug_server={self.address!r} can be reached from other machines; a debug server is for "
                                 f"this one: use 127.0.0.1:{where.port}, or pass "
                                 f"spanheap.DebugServer({self.address!r}, allow_remote=True, token=…)")
            if self.token is None:
                raise ValueError("DebugServer(allow_remote=True) needs a token: whoever reaches the port could read where "
                                 "the service keeps its memory; pass token=secrets.token_urlsafe()")

    @property
    def where(self) -> TcpAddress | UnixAddress:
        return parsed(self.address)


def policy_of(value: object) -> DebugServer | None:
    """What `debug_server=` means. Raises TypeError or ValueError."""
    if value is None or isinstance(value, DebugServer):
        return value
    if isinstance(value, str):
        return DebugServer(value)
    raise TypeError(f"debug_server must be None, {_EXPECTED}, or a spanheap.DebugServer, not {value!r}")
