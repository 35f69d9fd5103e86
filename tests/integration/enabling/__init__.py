"""Enabling without a line of code: the environment, the command line, the instrumentor."""

from __future__ import annotations
