"""gunicorn configuration: all is set up in the parent."""

from __future__ import annotations

from typing import Any

preload_app = True


def post_fork(server: Any, worker: Any) -> None:
    """Nothing to do for the profiler; the test wants the sequence."""
    from tests.processes import shop

    shop.draw_sequence()
