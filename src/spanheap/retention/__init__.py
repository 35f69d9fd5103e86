"""Who keeps memory alive."""

from __future__ import annotations
