"""Sessions of a Starlette app live in app.state until they were idle for ten minutes; a sweep takes them away, and the
traffic's wave makes their number rise for a long time and fall again.
"""

from __future__ import annotations

import json
import random

import attrs
from _asgi import call
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

KIND = "bounded"
SPAN = "POST /chat"
SITE = None
HOLDER = None
REQUIRES = ["starlette==1.10.0", "attrs==26.1.0"]
REQUESTS_PER_SECOND = 5
DURATION_S = 7200
CONCURRENCY = 8

IDLE_S = 600.0

_app = None
_rng = random.Random(61)


@attrs.define
class ChatSession:
    id: str
    seen: float
    turns: list = attrs.field(factory=list)
    draft: bytes = b""


async def chat(request):
    message = await request.json()
    sessions = request.app.state.sessions
    session = sessions.get(message["session"])
    if session is None:
        session = sessions[message["session"]] = ChatSession(message["session"], message["now"])
    session.seen = message["now"]
    session.turns.append({"role": "user", "text": message["text"], "tokens": message["text"].split()})
    session.draft = _rng.randbytes(3_000)
    if message["now"] - request.app.state.swept > 60:
        sweep(request.app.state, message["now"])
    return JSONResponse({"turns": len(session.turns), "answer": " ".join(reversed(message["text"].split()))})


def sweep(state, now):
    for key in [key for key, session in state.sessions.items() if now - session.seen > IDLE_S]:
        del state.sessions[key]
    state.swept = now


def setup():
    global _app
    _app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
    _app.state.sessions = {}
    _app.state.swept = 0.0


def traffic(t):
    phase = (t % 2400) / 2400
    return 0.35 + 1.3 * (2 * phase if phase < 0.5 else 2 - 2 * phase)


async def request(i, now):
    number = i - int(_rng.expovariate(1 / 60)) * 3
    text = " ".join(f"word{_rng.randrange(900)}" for _ in range(_rng.randrange(10, 80)))
    body = json.dumps({"session": f"c{number // 4}", "now": now, "text": text}).encode()
    return await call(_app, "POST", "/chat", body)


def teardown():
    _app.state.sessions.clear()
