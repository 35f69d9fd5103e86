"""The version; pyproject.toml reads it from here. (importlib.metadata would cost every service a megabyte.)"""

from __future__ import annotations

__version__ = "0.1.0"
