"""Tests of the debug server and of the commands that ask it."""
