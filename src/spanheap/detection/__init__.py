"""Leak detection."""
