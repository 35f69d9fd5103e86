"""Each upload makes a module for its plug-in and registers it in sys.modules."""

from __future__ import annotations

import sys
import types

from _load import parts, work

KIND = "leak"
SPAN = "POST /plugin"
SITE = "load_plugin"
HOLDER = "modules"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600

def load_plugin(i: int) -> None:
    module = types.ModuleType(f"plugin_{i}")
    module.__dict__["rows"] = parts(i, 2500)
    sys.modules[module.__name__] = module


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    load_plugin(i)
    work(i)


def teardown() -> None:
    for name in [name for name in sys.modules if name.startswith("plugin_")]:
        del sys.modules[name]
