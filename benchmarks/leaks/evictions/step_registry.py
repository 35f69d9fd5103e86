"""A metaclass registers every step class by name; pipelines compiled from a request get classes of their own, and their
name has the version in it, which is the request's. Unregistering goes by another name."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from _data import churn, message, mix

KIND = "leak"
SPAN = "POST /pipelines/preview"
SITE = "compile_step"
HOLDER = "registry"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600


class StepMeta(type):
    registry: ClassVar[dict[str, type]] = {}

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> StepMeta:
        cls = super().__new__(mcs, name, bases, namespace)
        if bases:
            mcs.registry[f"{cls.__module__}.{name}"] = cls
        return cls

    @classmethod
    def unregister(mcs, name: str) -> None:
        mcs.registry.pop(name, None)


class Step(metaclass=StepMeta):
    rules: ClassVar[dict[str, Any]] = {}

    def __call__(self, row: dict[str, str]) -> dict[str, str]:
        return {key: value for key, value in row.items() if key in self.rules}


class Trim(Step):
    def __call__(self, row: dict[str, str]) -> dict[str, str]:
        return {key: value.strip() for key, value in row.items()}


class Upper(Step):
    def __call__(self, row: dict[str, str]) -> dict[str, str]:
        return {key: value.upper() for key, value in row.items()}


def compile_step(name: str, raw: str) -> type[Step]:
    return StepMeta(name, (Step,), {"rules": json.loads(raw)["body"], "__module__": "compiled"})  # type: ignore[return-value]


def preview(kind: int, number: int, raw: str) -> int:
    name = f"Preview{kind}V{number}"
    steps = [Trim(), Upper(), compile_step(name, raw)()]
    row = {"f0": " a ", "f1": "b", "other": "c"}
    try:
        for step in steps:
            row = step(row)
        return len(row)
    finally:
        StepMeta.unregister(name)


def setup() -> None:
    preview(0, -1, message(0, 600))


def request(i: int, now: float) -> None:
    preview(mix(i) % 9, i, message(i, 4200))
    churn(i)


def teardown() -> None:
    for name in [name for name in StepMeta.registry if name.startswith("compiled.")]:
        del StepMeta.registry[name]
