"""YAML of dicts, lists, strings and numbers: every string in quotes, as JSON has them, which YAML takes."""

from __future__ import annotations

import json
from typing import Any

HEADER = "# Generated from the list of metrics by python -m deploy.generate: change that, not this file.\n"


def yaml(value: Any, indent: int = 0) -> str:
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{key}:{_inline_or_below(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}- {yaml(item, indent + 1).lstrip() if isinstance(item, dict) else json.dumps(item) + chr(10)}"
                       for item in value)
    return f"{pad}{json.dumps(value, ensure_ascii=False)}\n"


def _inline_or_below(value: Any, indent: int) -> str:
    if isinstance(value, (dict, list)) and value:
        return "\n" + yaml(value, indent + 1)
    return f" {json.dumps(value, ensure_ascii=False)}\n"
