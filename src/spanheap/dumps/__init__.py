"""Heap dumps: pprof files, annotated with spans. Reading and writing are imported when they are first needed."""
