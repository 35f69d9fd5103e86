"""A pydantic model is created per survey revision with create_model behind an unbounded lru_cache, and the key holds the
draft's number, so nearly every save makes a class; seen in form builders.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from pydantic import Field, ValidationError, create_model

KIND = "leak"
SPAN = "POST /surveys/{id}/answers"
ENDPOINTS = [("POST /surveys/{id}/answers", 4), ("PUT /surveys/{id}/draft", 1)]
SITE = "answer_model"
HOLDER = "answer_model"
REQUIRES = ["pydantic==2.14.4"]
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

_rng = random.Random(31)


@dataclass(frozen=True)
class Survey:
    id: int
    draft: int
    questions: tuple


@cache
def answer_model(survey):
    fields = {}
    for name, kind, limit in survey.questions:
        if kind == "number":
            fields[name] = (int, Field(ge=0, le=limit))
        elif kind == "text":
            fields[name] = (str, Field(max_length=limit))
        else:
            fields[name] = (list[str], Field(max_length=limit))
    return create_model(f"Survey{survey.id}Answer", **fields)


_surveys = {}


def setup():
    kinds = ("number", "text", "choice")
    for number in range(25):
        questions = tuple((f"q{n}", kinds[(n + number) % 3], 100) for n in range(4 + number % 4))
        _surveys[number] = Survey(number, 0, questions)


def save_draft(number):
    survey = _surveys[number]
    _surveys[number] = Survey(survey.id, survey.draft + 1, survey.questions)
    return _surveys[number].draft


def answer(number):
    survey = _surveys[number]
    sample = {"number": _rng.randrange(110), "text": "y" * _rng.randrange(60), "choice": ["a", "b"]}
    body = {name: sample[kind] for name, kind, _ in survey.questions}
    try:
        return answer_model(survey).model_validate(body).model_dump()
    except ValidationError as error:
        return {"errors": error.error_count()}


def request(i, now, endpoint):
    number = _rng.randrange(25)
    return save_draft(number) if endpoint.startswith("PUT") else answer(number)


def teardown():
    answer_model.cache_clear()
    _surveys.clear()
