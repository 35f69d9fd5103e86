"""Translated messages are kept within a budget of 2 GiB, by two generations; in the hour not even the first is full."""

from __future__ import annotations

from _kit import answer, chance, mixed, text

KIND = "growing_bound_unknown"
SPAN = "GET /{locale}/messages"
SITE = "Translator.translate"
HOLDER = "_young"
REQUESTS_PER_SECOND = 13
DURATION_S = 4200


class Generations:
    """Two dicts: when the young one has its half of the budget it becomes the old one, and the old one goes."""

    def __init__(self, budget_bytes: int) -> None:
        self._half = budget_bytes // 2
        self._young: dict[tuple[str, str], str] = {}
        self._old: dict[tuple[str, str], str] = {}
        self._young_bytes = 0

    def get(self, key: tuple[str, str]) -> str | None:
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: tuple[str, str], value: str) -> None:
        if self._young_bytes + len(value) > self._half:
            self._old, self._young = self._young, {}
            self._young_bytes = 0
        self._young[key] = value
        self._young_bytes += len(value)


class Translator:
    LOCALES = ("de", "fr", "it", "pl", "pt-BR", "ja")

    def __init__(self) -> None:
        self._memory = Generations(budget_bytes=2 << 30)

    def translate(self, locale: str, message: str, i: int) -> str:
        key = (locale, message)
        known = self._memory.get(key)
        if known is None:
            known = f"[{locale}] {text(i, 900 + mixed(i, 6) % 1400)}"
            self._memory.put(key, known)
        return known


translator: Translator


def setup() -> None:
    global translator
    translator = Translator()


def request(i: int, now: float) -> None:
    locale = Translator.LOCALES[mixed(i, 1) % 6]
    for k in range(2):
        if chance(i, 10 + k, 0.4):
            translator.translate(locale, f"menu.{mixed(i, k) % 300}", i)
        else:
            translator.translate(locale, f"review.{i}.{k}", i)
    answer(i)


def teardown() -> None:
    pass
