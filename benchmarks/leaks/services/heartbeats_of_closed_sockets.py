"""A heartbeat task per websocket that is stopped by the close frame only: clients that vanish leave it running with its
connection.

Seen in a chat gateway.
"""

from __future__ import annotations

import asyncio

KIND = "leak"
SPAN = "WS /live"
SITE = "accept"
HOLDER = "_heartbeats"
REQUESTS_PER_SECOND = 7
DURATION_S = 2400
CONCURRENCY = 20


class Connection:
    def __init__(self, number, receive_buffer):
        self.number = number
        self.receive_buffer = receive_buffer
        self.rooms = set()
        self.closed = False
        self.last_ping = None

    def on_frame(self, payload):
        self.receive_buffer[: len(payload)] = payload
        self.rooms.add(payload[:4])

    async def ping(self):
        while not self.closed:
            self.last_ping = asyncio.get_running_loop().time()
            await asyncio.sleep(50)


class Gateway:
    def __init__(self):
        self._heartbeats = set()
        self.online = 0

    def accept(self, number):
        connection = Connection(number, bytearray(20_000 + number % 7 * 1000))
        task = asyncio.create_task(connection.ping())
        self._heartbeats.add(task)
        task.add_done_callback(self._heartbeats.discard)
        self.online += 1
        return connection

    async def serve(self, connection, frames, says_goodbye):
        for frame in frames:
            connection.on_frame(frame)
            await asyncio.sleep(0.2)
        if says_goodbye:
            connection.closed = True
        self.online -= 1


_gateway = None


def setup():
    global _gateway
    _gateway = Gateway()


async def request(i, now):
    connection = _gateway.accept(i)
    frames = [f"r{i % 40:02d}:hello {i} {k}".encode() for k in range(3)]
    await _gateway.serve(connection, frames, says_goodbye=i % 6 != 0)


def teardown():
    pass
