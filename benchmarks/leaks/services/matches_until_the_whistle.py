"""Live matches collect their events for twenty minutes and are dropped with the final whistle, one after another.

Seen in a score service.
"""

from __future__ import annotations

KIND = "bounded"
SPAN = "POST /matches/{id}/events"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 9
DURATION_S = 5400

MATCHES = 36
MATCH_S = 1200


class Match:
    def __init__(self, field, ends_at):
        self.field = field
        self.ends_at = ends_at
        self.events = []
        self.score = [0, 0]

    def add(self, event):
        self.events.append(event)
        if event["type"] == "goal":
            self.score[event["team"]] += 1

    def timeline(self, count):
        return [f"{event['at']:.0f}' {event['type']}" for event in self.events[-count:]]


class Arena:
    def __init__(self):
        self.matches = {field: Match(field, MATCH_S * (field + 1) / MATCHES) for field in range(MATCHES)}
        self.results = [0] * MATCHES

    def match_on(self, field, now):
        match = self.matches[field]
        if now >= match.ends_at:
            self.results[field] = match.score
            match = self.matches[field] = Match(field, match.ends_at + MATCH_S)
        return match


_arena = None


def setup():
    global _arena
    _arena = Arena()


def request(i, now):
    match = _arena.match_on(i * 5 % MATCHES, now)
    positions = [(k, (i * 31 + k * 7) % 10500 / 100, (i * 17 + k * 3) % 6800 / 100) for k in range(11)]
    match.add({"at": now, "type": "goal" if i % 60 == 0 else "pass", "team": i % 2, "positions": positions})
    return match.timeline(5)


def teardown():
    _arena.matches.clear()
