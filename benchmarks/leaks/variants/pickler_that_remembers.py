"""One Pickler for a long stream: its memo keeps all that was ever dumped, in C."""

from __future__ import annotations

import io
import pickle

from _load import parts, work

KIND = "leak"
SPAN = "POST /replicate"
SITE = "replicate"
HOLDER = "Pickler"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Link:
    def __init__(self) -> None:
        self.out = io.BytesIO()
        self.pickler = pickle.Pickler(self.out)


link = Link()


def replicate(i: int) -> None:
    link.pickler.dump(parts(i, 1500))
    link.out.seek(0)
    link.out.truncate()


def setup() -> None:
    link.pickler.clear_memo()


def request(i: int, now: float) -> None:
    replicate(i)
    work(i)


def teardown() -> None:
    link.pickler.clear_memo()
