"""A fixed window of numpy arrays for every sensor: the deques fill in the first part of the run and then turn over, with
spectra and intermediate arrays as churn.
"""

from __future__ import annotations

from collections import deque

import numpy as np

KIND = "bounded"
SPAN = "POST /sensors/{id}/samples"
SITE = None
HOLDER = None
REQUIRES = ["numpy==2.4.6"]
REQUESTS_PER_SECOND = 5
DURATION_S = 3600

SENSORS = 40
WINDOW = 120
SAMPLES = 2_048

_windows = {}
_baseline = {}
_rng = None


def setup():
    global _rng
    _rng = np.random.default_rng(14)


def decode(frame):
    raw = np.frombuffer(frame, dtype=np.int16)
    return raw.astype(np.float32) / 32_768


def spectrum(samples):
    return np.abs(np.fft.rfft(samples * np.hanning(samples.size)))


def score(sensor, samples):
    window = _windows.setdefault(sensor, deque(maxlen=WINDOW))
    window.append(samples)
    current = spectrum(samples)
    before = _baseline.get(sensor)
    _baseline[sensor] = current if before is None else before * 0.98 + current * 0.02
    deviation = 0.0 if before is None else float(np.abs(current - before).max())
    recent = np.stack([window[0], window[len(window) // 2], window[-1]])
    return deviation, float(recent.std())


def request(i, now):
    frame = _rng.integers(-9_000, 9_000, SAMPLES, dtype=np.int16).tobytes()
    return score(i % SENSORS, decode(frame))


def teardown():
    _windows.clear()
    _baseline.clear()
