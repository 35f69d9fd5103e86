"""One client's connection: how long it may take, and what it holds open."""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import time
from typing import IO

CONNECTIONS = 32   # at a time: browsers open some in advance; a client that sends nothing holds one for seconds
REQUESTS = 4       # worked on at a time: each copies the heap's tables
DELTAS = 2         # waiting between two snapshots, which they keep
WAIT_S = 2.0       # for one of the REQUESTS to end, then 503

HEAD_BYTES = 16 * 1024    # of request line and headers: more than any browser or tool sends
BODY_BYTES = 4 * 1024     # of POST: two settings
READ_S = 5.0              # for the whole request to arrive
SEND_S = 60.0             # for the whole answer to be taken
_CHUNK = 64 * 1024


class RequestTooLarge(Exception):
    """The request has more bytes than any that is meant for us."""


class Connection:
    """Owned by one thread. The server's thread may `abort` it; a forked child closes its copy with `forget`."""

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.deadline = time.monotonic() + READ_S
        self.spool: IO[bytes] | None = None   # the answer, where it is a file
        client.setblocking(True)
        client.settimeout(READ_S)

    def allow(self, seconds: float) -> None:
        """From now on. The server's thread ends what goes on longer."""
        self.deadline = time.monotonic() + seconds
        self.socket.settimeout(seconds)

    def abort(self) -> None:
        """Whatever its thread waits for, it gets an end of file or an error."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> bool:
        """Returns True after so many seconds, False as soon as the client has gone or the server closes."""
        with contextlib.suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(self.socket, select.POLLIN | select.POLLRDHUP)
            return not poll.poll(seconds * 1000)
        return False

    def send_file(self, file: IO[bytes]) -> None:
        file.seek(0)
        while part := file.read(_CHUNK):
            self.socket.sendall(part)

    def forget(self) -> None:
        """In a forked child: close the descriptors, and nothing more: the connection is the parent's."""
        with contextlib.suppress(OSError):
            os.close(self.socket.detach())
        if self.spool is not None:
            with contextlib.suppress(OSError):
                self.spool.close()

    def close(self) -> None:
        if self.spool is not None:
            self.spool.close()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)   # also where a forked child still holds the descriptor
        self.socket.close()


class BoundedReader(io.BufferedIOBase):
    """The request as it arrives, up to a number of bytes. Raises RequestTooLarge beyond."""

    def __init__(self, client: socket.socket, most: int) -> None:
        self._client = client
        self._left = most
        self._buffer = b""

    def more(self, most: int) -> None:
        """So many bytes may still come."""
        self._left = most

    def readable(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if not self._fill():
                end = len(self._buffer) - 1
                break
        line, self._buffer = self._buffer[:end + 1], self._buffer[end + 1:]
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None and size >= 0
        while len(self._buffer) < size and self._fill():
            pass
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _fill(self) -> bool:
        if self._left <= 0:
            raise RequestTooLarge
        part = self._client.recv(min(self._left, 8192))
        self._left -= len(part)
        self._buffer += part
        return bool(part)
