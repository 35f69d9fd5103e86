"""The web workers add reminder jobs to an APScheduler that only the cron container starts, so the jobs pile up as
pending in each web process; seen after the scheduler was moved out of the web service.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

from apscheduler.schedulers.background import BackgroundScheduler

KIND = "leak"
SPAN = "POST /appointments"
ENDPOINTS = [("GET /slots", 5), ("POST /appointments", 2), ("DELETE /appointments/{id}", 1)]
SITE = "schedule_reminder"
HOLDER = "_pending_jobs"
REQUIRES = ["apscheduler==3.11.3"]
REQUESTS_PER_SECOND = 9
DURATION_S = 4200

EPOCH = datetime(2026, 3, 1, tzinfo=timezone.utc)
RUN_SCHEDULER = False

scheduler = BackgroundScheduler(timezone=timezone.utc)
_appointments = {}
_rng = random.Random(29)


def setup():
    if RUN_SCHEDULER:
        scheduler.start()


def send_reminder(patient, text):
    return f"to {patient}: {text[:40]}"


def schedule_reminder(number, patient, at):
    directions = "\n".join([f"{step}. Turn at corner {_rng.randrange(900)} of the old town." for step in range(18)])
    text = f"Dear {patient}, your appointment {number} is on {at:%d %B at %H:%M}.\n{directions}"
    scheduler.add_job(
        send_reminder, "date", run_date=at - timedelta(hours=24), args=[patient, text], id=f"reminder-{number}"
    )


def book(number, now):
    at = EPOCH + timedelta(seconds=now, days=_rng.randrange(3, 30))
    patient = f"patient-{_rng.randrange(20_000):05d}"
    schedule_reminder(number, patient, at)
    _appointments[number] = (patient, at)
    while len(_appointments) > 400:
        _appointments.pop(next(iter(_appointments)))


def slots(now):
    start = EPOCH + timedelta(seconds=now)
    free = [start + timedelta(minutes=20 * n) for n in range(60) if _rng.random() < 0.4]
    return [slot.isoformat() for slot in free]


def request(i, now, endpoint):
    if endpoint == "POST /appointments":
        return book(i, now)
    if endpoint == "GET /slots":
        return slots(now)
    if _appointments:
        _appointments.pop(next(iter(_appointments)))
    return None


def teardown():
    scheduler._pending_jobs.clear()
    _appointments.clear()
