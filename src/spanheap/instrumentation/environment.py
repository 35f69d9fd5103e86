"""What the environment variables say, for who starts a session without a line of code.

A service must come up whatever is in its environment: a value that cannot be is logged in one line, and the default stays.
"""

from __future__ import annotations

import difflib
import functools
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from spanheap.detection.policy import LeakPolicy
from spanheap.dumps.policy import DumpPolicy
from spanheap.instrumentation.variable import POLICIES, PREFIX, VARIABLES, Variable
from spanheap.options import Options

logger = logging.getLogger("spanheap")

NONE_GIVEN: Mapping[Variable, Any] = {}
_UNKNOWN_NAMED = 5


def options(environ: Mapping[str, str] = os.environ, given: Mapping[Variable, Any] = NONE_GIVEN) -> dict[str, Any]:
    """The options that are set, for `spanheap.start(**options())`. Logs what is wrong, and raises nothing.

    given: values that go before those of the environment, and go with each other.
    """
    values: dict[Variable, Any] = dict(given)
    for variable in VARIABLES:
        text = environ.get(variable.name, "")
        if not text.strip() or variable in given:   # as OpenTelemetry has it: empty is unset
            continue
        try:
            values[variable] = variable.parse(text)
        except ValueError as error:
            _ignored(variable, text, error)
    _warn_of_unknown(environ)
    return combined(values, lambda variable, error: _ignored(variable, environ.get(variable.name, ""), error))


def combined(values: Mapping[Variable, Any], ignored: Callable[[Variable, Exception], None]) -> dict[str, Any]:
    """Options, with the policies made. ignored: is told of a value that does not go with those before it."""
    found: dict[str, Any] = {}
    for option, policy in POLICIES.items():
        wanted = next((value for v, value in values.items() if v.option == option and v.field is None), True)
        fields = {v: value for v, value in values.items() if v.option == option and v.field is not None}
        if not wanted:
            found[option] = None
        elif fields:
            fitting = _fitting(fields, functools.partial(_policy, policy), ignored)
            found[option] = _policy(policy, fitting)
    own = {v: value for v, value in values.items() if v.field is None and v.option not in POLICIES}
    fitting = _fitting(own, lambda given: Options(**found, **{v.option: x for v, x in given.items()}).checked(), ignored)
    return found | {v.option: value for v, value in fitting.items()}


def _policy(policy: type[LeakPolicy] | type[DumpPolicy], fields: Mapping[Variable, Any]) -> LeakPolicy | DumpPolicy:
    return policy(**{variable.field or "": value for variable, value in fields.items()})


def _fitting(
    values: Mapping[Variable, Any], make: Callable[[Mapping[Variable, Any]], object],
    ignored: Callable[[Variable, Exception], None],
) -> dict[Variable, Any]:
    """All, where they go together; else those that go with the ones before."""
    try:
        make(values)
        return dict(values)
    except (ValueError, TypeError):
        pass
    fitting: dict[Variable, Any] = {}
    for variable, value in values.items():
        try:
            make(fitting | {variable: value})
            fitting[variable] = value
        except (ValueError, TypeError) as error:
            ignored(variable, error)
    return fitting


def _ignored(variable: Variable, text: str, error: Exception) -> None:
    shown = repr(text.strip())
    why = str(error) if str(error).startswith(shown) else f"{shown}: {error}"
    logger.warning("spanheap: %s=%s; the default is used: %s", variable.name, why, variable.default_text)


def _warn_of_unknown(environ: Mapping[str, str]) -> None:
    known = [variable.name for variable in VARIABLES]
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    for name in unknown[:_UNKNOWN_NAMED]:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        logger.warning("spanheap: there is no %s%s", name, hint)
