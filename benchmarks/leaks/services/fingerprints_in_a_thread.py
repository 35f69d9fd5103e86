"""A worker thread that looks for near-duplicates keeps the fingerprint of each document; documents are deleted,
fingerprints are not.

Seen in a news crawler.
"""

from __future__ import annotations

import queue
import threading
import zlib

from opentelemetry import context

KIND = "leak"
SPAN = "POST /articles"
SITE = "fingerprint"
HOLDER = "_by_article"
REQUESTS_PER_SECOND = 9
DURATION_S = 1800


def fingerprint(words):
    grams = set()
    for k in range(len(words) - 2):
        grams.add(zlib.crc32(" ".join(words[k : k + 3]).encode()))
    return frozenset(sorted(grams)[:64])


class NearDuplicates:
    def __init__(self):
        self._by_article = {}
        self._latest = []

    def add(self, article, words):
        mark = fingerprint(words)
        similar = [other for other in self._latest if len(self._by_article[other] & mark) > 40]
        self._by_article[article] = mark
        self._latest = [*self._latest[-4:], article]
        return similar


class Worker(threading.Thread):
    def __init__(self):
        super().__init__(name="near-duplicates", daemon=True)
        self.jobs = queue.SimpleQueue()
        self.index = NearDuplicates()

    def run(self):
        while (job := self.jobs.get()) is not None:
            ctx, article, words, reply = job
            token = context.attach(ctx)
            try:
                reply.put(self.index.add(article, words))
            finally:
                context.detach(token)

    def check(self, article, words):
        reply = queue.SimpleQueue()
        self.jobs.put((context.get_current(), article, words, reply))
        return reply.get()


_worker = None
_articles = {}


def setup():
    global _worker
    _articles.clear()
    _worker = Worker()
    _worker.start()


def request(i, now):
    words = [f"w{(i * 31 + k * (1 + i % 11)) % 5003}" for k in range(90)]
    _articles[i] = len(words)
    _articles.pop(i - 500, None)
    return _worker.check(i, words)


def teardown():
    _worker.jobs.put(None)
    _worker.join()
