"""A dataclass that lists its instances on the class for a report that no one calls any more, a kilobyte each beside
uploads a hundred times as large.

Seen in a partner API.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

KIND = "leak"
SPAN = "PUT /uploads/{name}"
SITE = "issue_receipt"
HOLDER = "_issued"
REQUESTS_PER_SECOND = 5
DURATION_S = 7200

PART = 8192


@dataclass
class Receipt:
    upload: int
    partner: str
    checksums: list = field(default_factory=list)
    _issued: ClassVar[list] = []

    def __post_init__(self):
        Receipt._issued.append(self)

    @classmethod
    def of_partner(cls, partner):
        return [receipt for receipt in cls._issued if receipt.partner == partner]


class Uploads:
    def __init__(self):
        self.recent = deque(maxlen=24)
        self.source = bytes(range(256)) * 1200

    def receive(self, number):
        start = number * 37 % 4096
        body = self.source[start : start + 60_000 + number * 7919 % 180_000]
        self.recent.append(body)
        return body


def issue_receipt(number, body):
    checksums = [
        f"{start:08x}-{zlib.crc32(body[start : start + 256]):08x}" for start in range(0, min(len(body), 14 * PART), PART)
    ]
    return Receipt(number, f"partner-{number % 23}", checksums)


_uploads = None


def setup():
    global _uploads
    _uploads = Uploads()
    Receipt._issued.clear()


def request(i, now):
    body = _uploads.receive(i)
    if i % 5 == 0:
        receipt = issue_receipt(i, body)
        return len(receipt.checksums)
    return len(body)


def teardown():
    Receipt._issued.clear()
