"""A pull parser on an endless XML stream: elements are read and answered, and stay children of the root.

Seen in an XMPP bridge.
"""

from __future__ import annotations

from xml.etree import ElementTree

KIND = "leak"
SPAN = "xmpp stanza"
SITE = "receive"
HOLDER = "_parser"
REQUESTS_PER_SECOND = 8
DURATION_S = 3000


class Stream:
    def __init__(self, domain):
        self._parser = ElementTree.XMLPullParser(events=("start", "end"))
        self._parser.feed(f"<stream to='{domain}' version='1.0'>")
        self.depth = 0
        self.handled = 0

    def receive(self, text):
        self._parser.feed(text)
        for event, element in self._parser.read_events():
            if event == "start":
                self.depth += 1
                continue
            self.depth -= 1
            if self.depth == 1:
                yield element
                self.handled += 1


class Roster:
    def __init__(self):
        self.shown = {}

    def on_presence(self, stanza):
        self.shown[stanza.get("from")] = stanza.findtext("show")

    def on_message(self, stanza):
        return f"<message to='{stanza.get('from')}'><received/></message>"


_stream = None
_roster = None


def stanza_text(i, now):
    who = f"user{i % 400}@example.net"
    if i % 3:
        show = f"<show>{'away' if i % 5 else 'chat'}</show><status>since {now:.0f}</status>"
        return f"<presence from='{who}'>{show}<priority>{i % 10}</priority></presence>"
    items = "".join(f"<item id='{i}-{k}' name='part {k}'><value>{i * k}</value></item>" for k in range(6))
    return f"<message from='{who}' id='m{i}'><body>hello number {i}</body><items>{items}</items></message>"


def setup():
    global _stream, _roster
    _stream = Stream("example.net")
    _roster = Roster()


def request(i, now):
    replies = []
    for stanza in _stream.receive(stanza_text(i, now)):
        if stanza.tag == "presence":
            _roster.on_presence(stanza)
        else:
            replies.append(_roster.on_message(stanza))
    return replies


def teardown():
    pass
