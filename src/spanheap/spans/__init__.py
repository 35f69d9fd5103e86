"""Spans: which one is current (attribution), when they start and end (processor), which are active (store)."""
