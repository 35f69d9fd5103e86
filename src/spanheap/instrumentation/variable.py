"""The environment variables: one for each option of `start()` that can be written down, and for each field of its policies.

They are made from these dataclasses, so there is none without an option and no option without one; what can be no variable
is listed here. docs/configuration.md has the table, and a test that compares.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from spanheap.detection.policy import LeakPolicy
from spanheap.dumps.policy import DumpPolicy
from spanheap.errors import SpanheapError
from spanheap.options import Options

PREFIX = "OTEL_PYTHON_SPANHEAP_"
# Objects, of which there are no names.
ONLY_IN_CODE = frozenset({"tracer_provider", "meter_provider", "logger_provider"})
POLICIES: dict[str, type[LeakPolicy] | type[DumpPolicy]] = {"detect": LeakPolicy, "dumps": DumpPolicy}
_OF_BYTES = frozenset({
    "sample_interval", "min_growth_per_hour", "urgent_bytes", "memory_limit", "limit_bytes", "max_folder_bytes",
    "min_free_bytes",
})
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True)
class Variable:
    """What one variable sets, and what it takes."""

    option: str
    """Of `start()`."""
    field: str | None
    """Of the policy that this option is; None: the option itself."""
    kind: str
    """"whole number", "number", "switch", "path", "URL", "address", "names" or "signal"."""
    optional: bool
    """Takes `none`."""
    default: Any
    range: tuple[float, float] | None

    @property
    def name(self) -> str:
        return PREFIX + "_".join(filter(None, (self.option, self.field))).upper()

    @property
    def flag(self) -> str:
        """Of `spanheap run`."""
        return "--" + "-".join(filter(None, (self.option, self.field))).replace("_", "-")

    @property
    def accepts(self) -> str:
        """In words, as documentation and messages have it."""
        what = {
            "switch": "true or false", "path": "a path", "URL": "an http:// or https:// URL",
            "names": "names, separated by commas", "signal": "a signal, as SIGUSR2", "address": "HOST:PORT or unix:PATH",
        }.get(self.kind, f"a {self.kind}")
        if self.range is not None:
            what += " from {} to {}".format(*(f"{int(end):,}" if end == int(end) else str(end) for end in self.range))
            if self._is_of_bytes:
                what += "; KiB, MiB or GiB may follow"
        return what + (", or none" if self.optional else "")

    @property
    def default_text(self) -> str:
        if self.kind == "switch":
            return "false" if self.default in (False, None) else "true"
        if self.default is None or self.default == ():
            return "none" if self.optional else "empty"
        return str(self.default)

    @property
    def _is_of_bytes(self) -> bool:
        return (self.field or self.option) in _OF_BYTES

    def parse(self, text: str) -> Any:
        """The value for the option or field. Raises ValueError, which says what is accepted."""
        text = text.strip()
        if self.optional and text.lower() == "none":
            return None
        try:
            value = self._value(text)
        except (ValueError, KeyError, OverflowError):
            raise ValueError(f"{text!r} is not {self.accepts}") from None
        if self.range is not None and not self.range[0] <= value <= self.range[1]:
            raise ValueError(f"{text!r} is not {self.accepts}")
        if self.kind in ("path", "signal", "address", "URL"):   # not every one can be
            try:
                if self.field is None:
                    Options(**{self.option: value}).checked()
                else:
                    POLICIES[self.option](**{self.field: value})
            except (ValueError, TypeError, SpanheapError) as error:
                raise ValueError(str(error)) from None
        return value

    def _value(self, text: str) -> Any:
        return _PARSERS[self.kind](text, self._is_of_bytes)


def _number(text: str, of_bytes: bool, whole: bool) -> float:
    for unit, size in _UNITS.items() if of_bytes else ():
        if text.endswith(unit):
            scaled = float(text.removesuffix(unit)) * size
            return int(scaled) if whole else scaled
    return int(text) if whole else float(text)


def _switch(text: str) -> bool:
    if text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    raise ValueError


def _signal(text: str) -> int:
    if text.isdecimal():
        return int(text)
    name = text.upper()
    return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"].value


def _text(text: str) -> str:
    if not text:
        raise ValueError
    return text


_PARSERS: dict[str, Callable[[str, bool], Any]] = {
    "whole number": lambda text, of_bytes: _number(text, of_bytes, True),
    "number": lambda text, of_bytes: _number(text, of_bytes, False),
    "switch": lambda text, _: _switch(text),
    "path": lambda text, _: _text(text),
    "URL": lambda text, _: _text(text),
    "address": lambda text, _: _text(text),
    "names": lambda text, _: tuple(name.strip() for name in text.split(",") if name.strip()),
    "signal": lambda text, _: _signal(text),
}


def _kind(field: Field[Any]) -> str:
    """By its annotation, which is a string. Raises TypeError for one that no text is known for."""
    annotation = str(field.type).removesuffix(" | None")
    kinds = {
        "int": "signal" if field.name.endswith("signal") else "whole number", "float": "number", "bool": "switch",
        "str": "URL", "str | os.PathLike[str]": "path", "str | DebugServer": "address", "Sequence[str]": "names",
    } | {policy.__name__: "switch" for policy in POLICIES.values()}
    if annotation not in kinds:
        raise TypeError(f"no environment variable can set {field.name}: {field.type}; see ONLY_IN_CODE")
    return kinds[annotation]


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _variables() -> list[Variable]:
    found = []
    for option in fields(Options):
        if option.name in ONLY_IN_CODE:
            continue
        policy = POLICIES.get(option.name)
        # tick=None is for who calls Session.tick() himself, in code.
        optional = policy is None and option.name != "tick" and "None" in str(option.type)
        found.append(Variable(
            option.name, None, _kind(option), optional, _default(option), Options.RANGES.get(option.name)))
        for field in fields(policy) if policy is not None else ():
            found.append(Variable(
                option.name, field.name, _kind(field), "None" in str(field.type), _default(field),
                policy.RANGES.get(field.name) if policy is not None else None))
    return found


VARIABLES = tuple(_variables())
