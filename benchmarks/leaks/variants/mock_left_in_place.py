"""A MagicMock was left in place of the mailer: it remembers each call with its arguments."""

from __future__ import annotations

from unittest import mock

from _load import parts, work

KIND = "leak"
SPAN = "POST /mail"
SITE = "send"
HOLDER = "mailer"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600

mailer = mock.MagicMock()


def send(i: int) -> None:
    mailer.send(parts(i, 1500))


def setup() -> None:
    mailer.reset_mock()


def request(i: int, now: float) -> None:
    send(i)
    work(i)


def teardown() -> None:
    mailer.reset_mock()
