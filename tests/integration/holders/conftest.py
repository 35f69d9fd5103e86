"""The application whose objects are looked for."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def shop() -> Iterator[ModuleType]:
    """Return cases/shop.py as the module `shop`, as an application would import it."""
    spec = importlib.util.spec_from_file_location("shop", Path(__file__).parent / "cases" / "shop.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shop"] = module
    spec.loader.exec_module(module)
    yield module
    module.clear()
    del sys.modules["shop"]
