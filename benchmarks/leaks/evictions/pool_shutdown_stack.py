"""Each pooled connection registers its close() for the application's shutdown; connections are recycled after some
uses, their callbacks stay. Seen with ExitStack and with atexit in drivers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from _kit import answer, mixed, text

KIND = "leak"
SPAN = "GET /account"
SITE = "Connection.__init__"
HOLDER = "_shutdown"
REQUESTS_PER_SECOND = 14
DURATION_S = 3600


class Connection:
    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False
        self.uses = 0
        self.inbox = bytearray(12_000)
        self.outbox = bytearray(4_000)
        self.prepared: dict[str, str] = {}

    def execute(self, name: str, i: int) -> str:
        self.uses += 1
        if name not in self.prepared:
            self.prepared[name] = f"{name}@{self.number}"
        row = text(i, 300 + mixed(i) % 200).encode()
        self.inbox[: len(row)] = row
        return self.inbox[: len(row)].decode()

    def close(self) -> None:
        self.closed = True


class ConnectionPool:
    """At most `size` connections, each used `max_uses` times."""

    def __init__(self, shutdown: ExitStack, size: int = 10, max_uses: int = 12) -> None:
        self._shutdown = shutdown
        self._idle: deque[Connection] = deque(maxlen=size)
        self._max_uses = max_uses
        self._opened = 0

    def _open(self) -> Connection:
        connection = Connection(self._opened)
        self._opened += 1
        self._shutdown.callback(connection.close)
        return connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        connection = self._idle.popleft() if self._idle else self._open()
        try:
            yield connection
        finally:
            if connection.uses >= self._max_uses:
                connection.close()
            else:
                self._idle.append(connection)


class Application:
    def __init__(self) -> None:
        self.shutdown = ExitStack()
        self.pool = ConnectionPool(self.shutdown)

    def account(self, i: int) -> str:
        with self.pool.connection() as connection:
            user = connection.execute("select_user", i)
            plan = connection.execute("select_plan", i + 1)
            return user[:20] + plan[:20]


app: Application


def setup() -> None:
    global app
    app = Application()


def request(i: int, now: float) -> None:
    app.account(i)
    answer(i)


def teardown() -> None:
    app.shutdown.close()
