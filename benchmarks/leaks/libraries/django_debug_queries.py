"""Django with DEBUG on keeps each query's SQL in connection.queries_log, which looks endless but is a deque of 9000;
requests are run without the handler that would reset it.
"""

from __future__ import annotations

import random

import django
from django.conf import settings

KIND = "bounded"
SPAN = "GET /stations/{id}"
SITE = None
HOLDER = None
REQUIRES = ["django==5.2.19"]
REQUESTS_PER_SECOND = 5
DURATION_S = 3000

_rng = random.Random(43)


def setup():
    if not settings.configured:
        settings.configure(
            DEBUG=True,
            LOGGING_CONFIG=None,
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            CACHES={
                "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 400}}
            },
        )
        django.setup()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("create table reading (station integer, hour integer, celsius real)")
        cursor.executemany(
            "insert into reading values (%s, %s, %s)",
            [(station, hour, _rng.gauss(11, 7)) for station in range(60) for hour in range(24)],
        )


def readings(station, hours):
    from django.db import connection

    marks = ", ".join(["%s"] * len(hours))
    with connection.cursor() as cursor:
        cursor.execute(f"select hour, celsius from reading where station = %s and hour in ({marks})", [station, *hours])
        return cursor.fetchall()


def neighbours(station):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "select station, avg(celsius) from reading where station between %s and %s group by station",
            [station - 1, station + 1],
        )
        return cursor.fetchall()


def request(i, now):
    from django.core.cache import cache

    station = _rng.randrange(60)
    rows = readings(station, _rng.sample(range(24), 8))
    around = neighbours(station)
    key = f"report:{_rng.randrange(2_000)}"
    report = cache.get(key)
    if report is None:
        report = {"station": station, "rows": rows, "around": around, "text": _rng.randbytes(1_000).hex()}
        cache.set(key, report, 300)
    return len(report["rows"])


def teardown():
    from django.core.cache import cache
    from django.db import connection

    cache.clear()
    connection.queries_log.clear()
    connection.close()
