"""Log lines of a job are captured by a handler that is removed after the job, but not when it fails: from then on it
hears all jobs.

Seen in a nightly import.
"""

from __future__ import annotations

import logging

KIND = "leak"
SPAN = "import job"
SITE = "run_job"
HOLDER = "records"
REQUESTS_PER_SECOND = 6
DURATION_S = 2400

_log = logging.getLogger("warehouse.import")
_log.propagate = False


class RowError(ValueError):
    pass


class JobLog(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    def summary(self):
        return [record.getMessage() for record in self.records if record.levelno >= logging.INFO]


def convert(row):
    if row["quantity"] < 0:
        raise RowError(f"negative quantity in {row['sku']}")
    return row["sku"], row["quantity"] * row["price"]


def run_job(number, rows):
    capture = JobLog()
    _log.addHandler(capture)
    _log.info("job %d starts with %d rows", number, len(rows))
    total = 0
    for row in rows:
        sku, value = convert(row)
        total += value
        _log.debug("row %s of job %d is worth %s", sku, number, f"{value:12.2f} EUR at {row['price']:8.3f}")
    _log.info("job %d done, worth %.2f", number, total)
    _log.removeHandler(capture)
    return capture.summary()


def setup():
    _log.setLevel(logging.DEBUG)
    _log.handlers.clear()


def request(i, now):
    rows = [{"sku": f"W-{i:06d}-{k}", "quantity": 1 + (i + k) % 9, "price": 1.25 * (k + 1)} for k in range(5)]
    if i % 1900 == 700:
        rows[3]["quantity"] = -1
    try:
        return run_job(i, rows)
    except RowError as error:
        return [f"failed: {error}"]


def teardown():
    _log.handlers.clear()
