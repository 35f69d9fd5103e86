"""Each import job connects its bound method to a blinker signal with weak=False and never disconnects, so the job and
its parsed rows stay; seen where weak=False was added because "the handler was never called".
"""

from __future__ import annotations

import csv
import io
import random

from blinker import Namespace

KIND = "leak"
SPAN = "POST /imports"
ENDPOINTS = [("GET /imports", 11), ("POST /imports", 1)]
SITE = "parse"
HOLDER = "receivers"
REQUIRES = ["blinker==1.9.0"]
REQUESTS_PER_SECOND = 10
DURATION_S = 3600

signals = Namespace()
row_rejected = signals.signal("row-rejected")
_rng = random.Random(21)
_uploads = []


class ImportJob:
    def __init__(self, number):
        self.number = number
        self.rows = []
        self.rejected = []
        row_rejected.connect(self.on_rejected, sender=self, weak=False)

    def on_rejected(self, sender, line, reason):
        self.rejected.append((line, reason))

    def parse(self, text):
        reader = csv.DictReader(io.StringIO(text))
        for row in reader:
            self.rows.append(row)

    def validate(self):
        for line, row in enumerate(self.rows):
            if row["email"].count("@") != 1:
                row_rejected.send(self, line=line, reason="email")
        return len(self.rows) - len(self.rejected)


def setup():
    for n in range(5):
        out = ["id,first_name,last_name,email,street,zip,city"]
        for k in range(40 + 30 * n):
            at = "@" if _rng.random() > 0.03 else "#"
            out.append(f"{k},Ann{k},Miller{k},ann.{k}{at}mail{n}.example,{k} High Street,{10_000 + k},Town {k % 17}")
        _uploads.append("\n".join(out))


def upload(i):
    job = ImportJob(i)
    job.parse(_rng.choice(_uploads))
    return {"job": job.number, "accepted": job.validate(), "rejected": len(job.rejected)}


def listing(page):
    rows = [
        {"id": page * 50 + n, "state": "done", "progress": 100, "label": f"import {n} of page {page}"} for n in range(50)
    ]
    return sorted(rows, key=lambda row: row["label"])


def request(i, now, endpoint):
    return upload(i) if endpoint == "POST /imports" else listing(i % 40)


def teardown():
    row_rejected.receivers.clear()
    row_rejected._clear_state()
