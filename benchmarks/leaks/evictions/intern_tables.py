"""A log tokenizer interns its tokens; the limit is on the number of tables (one a source), not on what is in them, and
request ids are tokens as well."""

from __future__ import annotations

import re

from _data import churn, mix, text

KIND = "leak"
SPAN = "logs.ingest"
SITE = "tokenize"
HOLDER = "_tables"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

WORDS = [f"component.{w}.handler-{w * 7}" for w in range(400)]


class Tokenizer:
    MAX_TABLES = 64
    _pattern = re.compile(r"[^\s=]+")

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, str]] = {}

    def table(self, source: str) -> dict[str, str]:
        found = self._tables.get(source)
        if found is None:
            if len(self._tables) >= self.MAX_TABLES:
                self._tables.clear()
            found = self._tables[source] = {}
        return found

    def tokenize(self, source: str, line: str) -> tuple[str, ...]:
        table = self.table(source)
        tokens = []
        for token in self._pattern.findall(line):
            known = table.get(token)
            if known is None:
                known = table[token] = token
            tokens.append(known)
        return tuple(tokens)


class Pipeline:
    """The last lines of every source, for the live view, and the tokenizer that makes them small."""

    LIVE = 200

    def __init__(self) -> None:
        self.tokenizer = Tokenizer()
        self.live: dict[str, list[tuple[str, ...]]] = {}

    def ingest(self, source: str, line: str) -> None:
        lines = self.live.setdefault(source, [])
        lines.append(self.tokenizer.tokenize(source, line))
        if len(lines) > self.LIVE:
            del lines[: self.LIVE // 2]


pipeline: Pipeline


def line_of(i: int) -> str:
    known = " ".join(WORDS[mix(i * 8 + k) % len(WORDS)] for k in range(8))
    ids = " ".join(f"{name}={text(i * 9 + k, 400)}" for k, name in enumerate(
        ("trace", "session", "cart", "etag", "bearer", "cursor")))
    return f"{known} {ids}"


def setup() -> None:
    global pipeline
    pipeline = Pipeline()


def request(i: int, now: float) -> None:
    pipeline.ingest(f"pod-{mix(i) % 12}", line_of(i))
    churn(i)


def teardown() -> None:
    del globals()["pipeline"]
