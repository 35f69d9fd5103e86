"""What `spanheap top` has seen of a process: one look, and how it has grown since earlier ones."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

FORMAT = "spanheap.top/1"
_WINDOW_S = 60.0   # over which growth is shown: longer than a garbage collection's ups and downs
_MOST_LOOKS = 600


class NoLook(ValueError):
    """The answer is not what a debug server tells."""


@dataclass(frozen=True)
class Look:
    """An answer of /debug/top, checked."""

    document: dict[str, Any]

    @classmethod
    def of(cls, document: Any) -> Look:
        """Raises NoLook."""
        try:
            if document["format"] != FORMAT:
                raise NoLook(f"it tells {document['format']!r}, not {FORMAT!r}: use the same version of spanheap for both")
            look = cls(document)
            float(look.time), float(look.live_bytes), float(look.rss_bytes)
            for row in document["lines"]:
                str(row["line"]), float(row["live_bytes"])
            for span in document["active_spans"]:
                float(span["age_s"])
            for leak in document["leaks"]:
                str(leak["text"])
            dict(document["spans"])
        except NoLook:
            raise
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise NoLook(f"it is not what a debug server tells: {error!r}") from None
        return look

    @property
    def time(self) -> float:
        return float(self.document["process"]["time"])

    @property
    def pid(self) -> int:
        return int(self.document["process"]["pid"])

    @property
    def live_bytes(self) -> float:
        return float(self.document["heap"]["live_bytes"])

    @property
    def rss_bytes(self) -> float:
        return float(self.document["memory"]["rss_bytes"])

    def of_line(self, line: str) -> float:
        """Live bytes; 0 where it is not among those that were told."""
        return float(next((row["live_bytes"] for row in self.document["lines"] if row["line"] == line), 0.0))


class History:
    """The looks of the last minute. Growth is per second, None before there are two looks."""

    def __init__(self) -> None:
        self._looks: deque[Look] = deque(maxlen=_MOST_LOOKS)

    def add(self, look: Look) -> None:
        if self._looks and (look.pid != self._looks[-1].pid or look.time <= self._looks[-1].time):
            self._looks.clear()   # another process answers there now, or its clock was set back
        self._looks.append(look)
        while len(self._looks) > 2 and look.time - self._looks[1].time >= _WINDOW_S:
            self._looks.popleft()

    @property
    def seconds(self) -> float:
        """Over which growth is measured."""
        return self._looks[-1].time - self._looks[0].time if self._looks else 0.0

    def growth(self) -> tuple[float, float] | None:
        """Of the live heap and of the resident set."""
        if len(self._looks) < 2:
            return None
        first, last = self._looks[0], self._looks[-1]
        return (last.live_bytes - first.live_bytes) / self.seconds, (last.rss_bytes - first.rss_bytes) / self.seconds

    def growth_of_line(self, line: str) -> float | None:
        if len(self._looks) < 2:
            return None
        return (self._looks[-1].of_line(line) - self._looks[0].of_line(line)) / self.seconds
