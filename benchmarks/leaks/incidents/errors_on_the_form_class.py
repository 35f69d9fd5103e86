"""A form's errors are a dict on the class instead of the instance: every invalid form adds its own, quoting the input.

A slow leak on the error path: one form in six is invalid. A beginner's mistake that is found in grown-up code.
"""

from __future__ import annotations

from _svc import crunch, one_in, page

KIND = "leak"
SPAN = "POST /register"
SITE = "Form.validate"
HOLDER = "errors"
REQUESTS_PER_SECOND = 4
DURATION_S = 5400


class Form:
    errors: dict[tuple[str, str], str] = {}

    def __init__(self, data: dict[str, str]) -> None:
        self.data = data

    def validate(self) -> bool:
        valid = True
        for field, value in self.data.items():
            if "@" not in value and field == "email":
                self.errors[field, value[:40]] = f"{value} is not a valid address"
                valid = False
        return valid


def setup() -> None:
    Form.errors.clear()


def request(i: int, now: float) -> None:
    email = page(i, 6000) if one_in(6, i) else f"user{i}@example.org"
    if Form({"name": f"User {i}", "email": email}).validate():
        crunch(i)


def teardown() -> None:
    Form.errors.clear()
