"""A thread for each report, kept in a list "to join at shutdown"; the report's rows are attributes of the thread.

Seen with threading.Thread subclasses that carry their result, in exporters and in Flask apps without a task queue.
"""

from __future__ import annotations

import contextvars
import threading

from _svc import crunch, page

KIND = "leak"
SPAN = "POST /reports"
SITE = "ReportThread.render"
HOLDER = "started"
REQUESTS_PER_SECOND = 2
DURATION_S = 1800


class ReportThread(threading.Thread):
    def __init__(self, i: int) -> None:
        super().__init__(name=f"report-{i}", daemon=True)
        self.i = i
        self.rows: list[str] = []
        self.context = contextvars.copy_context()

    def run(self) -> None:
        self.context.run(self.render)
        del self.context

    def render(self) -> None:
        for k in range(8):
            self.rows.append(page(self.i + k, 5000))


class Reports:
    def __init__(self) -> None:
        self.started: list[ReportThread] = []

    def create(self, i: int) -> ReportThread:
        thread = ReportThread(i)
        self.started.append(thread)
        thread.start()
        return thread

    def shutdown(self) -> None:
        for thread in self.started:
            thread.join()


reports = Reports()


def setup() -> None:
    reports.started.clear()


def request(i: int, now: float) -> None:
    thread = reports.create(i)
    crunch(i)
    thread.join()


def teardown() -> None:
    reports.shutdown()
    reports.started.clear()
