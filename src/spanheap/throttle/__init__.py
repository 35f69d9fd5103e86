"""Keeping spans that wait to be exported from filling the memory: docs/throttling.md."""
