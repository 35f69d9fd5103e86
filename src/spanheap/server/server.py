"""The debug server of a process: a thread that accepts, and one for each request.

    listener ──accept──► Connection ──thread──► Handler ──► an answer, Connection: close

Rules of this file:

* Bounded: `CONNECTIONS` at a time, of which `REQUESTS` are worked on; each ends by its deadline, however slowly the client
  reads or writes. Without clients the thread sleeps until there is one.
* The service comes first: all threads are daemons, nobody waits for them, what they allocate is not sampled, and what they
  take of the CPU is counted as spanheap's. Nothing is raised into the service.
* A forked child closes its copies of the sockets and listens on one of its own, from its first tick on (threads do not
  survive a fork, and most children only exec).
* Nothing is imported while answering: a fork in the middle of an import would leave the child waiting for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from spanheap import _core
from spanheap.errors import SpanheapError
from spanheap.server import entry
from spanheap.server.connection import CONNECTIONS, DELTAS, REQUESTS, Connection
from spanheap.server.handler import Handler
from spanheap.server.listener import Listener
from spanheap.server.policy import DebugServer

if TYPE_CHECKING:
    from spanheap.session import Session

logger = logging.getLogger("spanheap")

_LOOK_S = 5.0   # between looks at the deadlines, while there are connections
_BUSY = (b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: text/plain\r\n"
         b"Content-Length: 43\r\n\r\nspanheap: too many connections, come again\n")


class Server:
    """One a session, when its `debug_server` is not None. `open`, `tick`, `forked` and `close` are the session's to call."""

    def __init__(self, policy: DebugServer) -> None:
        self.policy = policy
        self.url: str | None = None   # where it listens
        self.is_orphaned = False      # in a forked child that has none of its own yet
        self.requests = self.refused = self.errors = 0
        self._cpu_s = 0.0
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()   # of the counts
        self.working = threading.BoundedSemaphore(REQUESTS)
        self.deltas = threading.BoundedSemaphore(DELTAS)
        self.dumps: deque[float] = deque()   # when clients asked for one
        self._connections: dict[Connection, None] = {}
        self._listener: Listener | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None
        self._entry: entry.Written | None = None
        self._closing = False

    # ------------------------------------------------------------ life

    def open(self, session: Session) -> None:
        """Listen. Where that cannot be, the log says why and the service goes on."""
        self.is_orphaned = False
        try:
            with _core.Muted():
                self._open(session)
        except (SpanheapError, OSError, RuntimeError, MemoryError) as error:   # RuntimeError: no more threads
            self.errors += 1
            logger.warning("spanheap: %s", error if isinstance(error, SpanheapError) else f"no debug server: {error}")
            self.close()

    def _open(self, session: Session) -> None:
        self._closing = False
        self._listener = Listener(self.policy.where)
        self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._run, args=(session, self._listener, self._wake[0]),
                                        name="spanheap-debug", daemon=True)
        self._thread.start()
        self.url = self._listener.url
        if self._listener.moved:
            logger.warning("spanheap: %s is taken: the debug server of process %d is at %s",
                           self.policy.address, os.getpid(), self.url)
        else:
            logger.info("spanheap: the debug server of process %d is at %s", os.getpid(), self.url)
        try:
            self._enter(session, self.url)
        except (SpanheapError, OSError) as error:
            logger.warning("spanheap: the debug server is not found by the number of the process: %s", error)

    def _enter(self, session: Session, url: str) -> None:
        profiler = session._profiler
        self._entry = entry.write(url, needs_token=self.policy.token is not None, dump_signal=profiler.dump_signal(),
                                  dumps=profiler.options.dumps)

    def tick(self, session: Session) -> None:
        """In a forked child open one of its own; say it where the dump's signal asks for a dump no longer."""
        if self.is_orphaned:
            self.open(session)
        elif self._entry is not None and self.url is not None and self._entry.dump_signal != session._profiler.dump_signal():
            with _core.Muted(), contextlib.suppress(SpanheapError, OSError):   # the next tick tries again
                self._enter(session, self.url)

    def close(self) -> None:
        """Nobody is waited for longer than it takes the thread to wake up. Safe to call twice."""
        self._closing = True
        ours = self._listener is not None and self._listener.is_ours
        if self._wake is not None and ours:
            with contextlib.suppress(OSError):
                self._wake[1].send(b"\0")
            if self._thread is not None and self._thread.is_alive() and self._thread is not threading.current_thread():
                self._thread.join(1.0)
        for connection in list(self._connections):
            connection.abort()
        if self._entry is not None:
            self._entry.remove()
        if self._listener is not None:
            self._listener.close()
        for end in self._wake or ():
            if ours:
                end.close()
            else:
                end.detach()
        self.url = self._listener = self._wake = self._thread = self._entry = None

    def forked(self) -> None:
        """In the child."""
        if self._listener is None and not self.is_orphaned:
            return   # it had none to lose
        for connection in list(self._connections):
            connection.forget()
        if self._listener is not None:
            self._listener.forked()
        for end in self._wake or ():
            end.close()
        self._reset()
        self.url = None
        self.is_orphaned = True

    @property
    def cpu_s(self) -> float:
        return self._cpu_s

    def spent(self, seconds: float) -> None:
        with self._lock:
            self._cpu_s += seconds

    def failed(self) -> None:
        """To be called where an exception is handled."""
        with self._lock:
            self.errors += 1
            first = self.errors == 1
        if first:
            logger.exception("spanheap: a request to the debug server failed")

    # ------------------------------------------------------------ the thread

    def _run(self, session: Session, listener: Listener, wake: socket.socket) -> None:
        with _core.Muted():
            try:
                self._accept_all(session, listener, wake)
            except Exception:
                if not self._closing:
                    self.errors += 1
                    logger.exception("spanheap: the debug server ended")

    def _accept_all(self, session: Session, listener: Listener, wake: socket.socket) -> None:
        poll = select.poll()
        number = listener.socket.fileno()
        poll.register(listener.socket, select.POLLIN)
        poll.register(wake, select.POLLIN)
        spent = time.thread_time()
        while not self._closing:
            deadline = min((connection.deadline for connection in list(self._connections)), default=None)
            # Deadlines move while it sleeps, hence not for long.
            ready = poll.poll(None if deadline is None else min(max(0.0, deadline - time.monotonic()), _LOOK_S) * 1000 + 10)
            if self._closing:
                return
            now = time.monotonic()
            for connection in list(self._connections):
                if connection.deadline < now:
                    connection.deadline = now + 1.0
                    connection.abort()
            if ready and not listener.is_ours:
                self.errors += 1
                logger.warning("spanheap: the debug server has ended: the application closed its socket")
                return
            if any(fd == number for fd, _ in ready):
                self._accept(session, listener.socket)
            self.spent(time.thread_time() - spent)
            spent = time.thread_time()

    def _accept(self, session: Session, listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return
        except OSError:   # no more descriptors, most likely: not again at once
            if listening.fileno() < 0:
                raise
            self.errors += 1
            time.sleep(0.1)
            return
        if len(self._connections) >= CONNECTIONS:
            self._turn_away(client)
            return
        connection = Connection(client)
        self._connections[connection] = None
        thread = threading.Thread(target=self._answer, args=(session, connection), name="spanheap-debug-request",
                                  daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            del self._connections[connection]
            self._turn_away(client)

    def _turn_away(self, client: socket.socket) -> None:
        self.refused += 1
        with contextlib.suppress(OSError), client:
            client.setblocking(False)
            client.send(_BUSY)

    def _answer(self, session: Session, connection: Connection) -> None:
        with _core.Muted():
            try:
                Handler(self, session, connection).answer()
            except OSError:   # the client has gone, or was too slow
                pass
            except Exception:
                self.failed()
            finally:
                self._connections.pop(connection, None)
                connection.close()
                self.spent(time.thread_time())
