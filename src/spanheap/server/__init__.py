"""The debug server: pprof, spans, leaks and figures of a running process over HTTP, and the commands that ask it.

Imported by who asks for it alone: `start(debug_server=…)`, `spanheap top`, `spanheap dump`.
"""
