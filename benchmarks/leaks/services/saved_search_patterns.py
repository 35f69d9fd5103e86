"""Patterns compiled from what users type are kept by their text, in one endpoint of four.

Seen in a log viewer.
"""

from __future__ import annotations

import re

KIND = "leak"
SPAN = "GET /logs/search"
ENDPOINTS = [("GET /logs/search", 2), ("GET /logs/tail", 5), ("POST /logs", 6), ("GET /health", 2)]
SITE = "matcher_for"
HOLDER = "_patterns"
REQUESTS_PER_SECOND = 15
DURATION_S = 3600

WORDS = (
    "timeout",
    "refused",
    "denied",
    "retry",
    "upstream",
    "payment",
    "kafka",
    "tls",
    "gateway",
    "worker",
    "replica",
    "quota",
)

_patterns = {}
_lines = []


def matcher_for(terms):
    text = " ".join(terms)
    pattern = _patterns.get(text)
    if pattern is None:
        alternatives = "|".join(re.escape(term) for term in terms)
        pattern = _patterns[text] = re.compile(rf"(?i)(?P<level>WARN|ERROR)\s+.*?\b(?P<term>{alternatives})\b")
    return pattern


def search(i):
    terms = [WORDS[(i + k) % len(WORDS)] + ("" if k else f"-{i:x}") for k in range(6)]
    matcher = matcher_for(terms)
    return [line for line in _lines[-20:] if matcher.search(line)]


def tail(count):
    return "\n".join(_lines[-count:])


def store(i, now):
    _lines.append(f"{now:.3f} {'ERROR' if i % 9 == 0 else 'INFO'} {WORDS[i % len(WORDS)]} request {i}")
    if len(_lines) > 2000:
        del _lines[:1000]


def setup():
    _patterns.clear()
    _lines.clear()


def request(i, now, endpoint):
    if endpoint == "GET /logs/search":
        return search(i)
    if endpoint == "GET /logs/tail":
        return tail(40)
    if endpoint == "POST /logs":
        return store(i, now)
    return "up"


def teardown():
    _patterns.clear()
    _lines.clear()
