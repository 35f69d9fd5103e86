"""codecs.register_error under a name with the upload's number, to report undecodable bytes with their context.

The registry is the interpreter's, in C: nothing can be unregistered, and the handler closes over the raw upload.
"""

from __future__ import annotations

import codecs

from _svc import blob, crunch

KIND = "leak"
SPAN = "POST /import"
SITE = "decode_upload"
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 3000


def decode_upload(i: int) -> str:
    raw = blob(i, 13_000)
    raw = raw[:6000] + b"\xff" + raw[6000:]
    problems: list[str] = []

    def report(error: UnicodeError) -> tuple[str, int]:
        problems.append(f"{len(raw)} bytes, bad near {raw[:12]!r}")
        return "?", error.end   # type: ignore[attr-defined]

    codecs.register_error(f"report-{i}", report)
    return raw.decode("utf-8", errors=f"report-{i}")


def setup() -> None:
    """Nothing to prepare."""


def request(i: int, now: float) -> None:
    crunch(len(decode_upload(i)))


def teardown() -> None:
    """The codecs module has no public way to unregister."""
