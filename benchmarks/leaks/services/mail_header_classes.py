"""Parsed mails of the last minutes: the email package makes a class for each header it parses, garbage in cycles when
the mail goes.

Seen in a help desk.
"""

from __future__ import annotations

from collections import deque
from email import message_from_bytes
from email.policy import default

KIND = "bounded"
SPAN = "POST /inbound-mail"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 1.4
DURATION_S = 2400

KEEP = 900


class Ticket:
    def __init__(self, number, mail):
        self.number = number
        self.sender = mail["from"]
        self.to = mail["to"]
        self.subject = mail["subject"]
        self.text = mail.get_content()


class Inbox:
    def __init__(self):
        self.latest = deque(maxlen=KEEP)
        self.by_number = {}

    def add(self, ticket):
        if len(self.latest) == self.latest.maxlen:
            oldest = self.latest.popleft()
            del self.by_number[oldest.number]
        self.latest.append(ticket)
        self.by_number[ticket.number] = ticket

    def find(self, number):
        return self.by_number.get(number)


def inbound(i):
    body = f"Dear team, my order {i} has not come. " * (10 + i % 40)
    return (
        f"From: Customer {i} <c{i}@example.com>\r\nTo: help@example.org\r\nSubject: Where is order {i}?\r\n"
        f"Content-Type: text/plain\r\n\r\n{body}\r\n"
    ).encode()


_inbox = None


def setup():
    global _inbox
    _inbox = Inbox()


def request(i, now):
    mail = message_from_bytes(inbound(i), policy=default)
    _inbox.add(Ticket(i, mail))
    earlier = _inbox.find(i - 30)
    return earlier.subject if earlier else None


def teardown():
    _inbox.latest.clear()
    _inbox.by_number.clear()
