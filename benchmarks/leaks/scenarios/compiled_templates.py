"""Templates are compiled with the user's text in the source and cached by it: every text is new (jinja2 from_string)."""

from __future__ import annotations

from types import CodeType

from _shop import work

KIND = "leak"
SPAN = "POST /mail"
SITE = "compiled"
HOLDER = "_templates"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600

_templates: dict[str, CodeType] = {}


def compiled(source: str) -> CodeType:
    code = _templates.get(source)
    if code is None:
        code = _templates[source] = compile(source, "<template>", "exec")
    return code


def setup() -> None:
    _templates.clear()


def request(i: int, now: float) -> None:
    lines = [f"out.append({f'Dear customer {i}, line {k}'!r} + name{k % 3})" for k in range(5)]
    exec(compiled("\n".join(lines)), {"out": [], "name0": "A", "name1": "B", "name2": "C"})
    work(i)


def teardown() -> None:
    _templates.clear()
