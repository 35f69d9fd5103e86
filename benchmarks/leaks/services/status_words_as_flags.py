"""Device status words turned into an IntFlag: enum keeps a pseudo-member for each value ever seen.

Seen in a telemetry gateway.
"""

from __future__ import annotations

import enum
import random

KIND = "leak"
SPAN = "POST /telemetry"
SITE = "decode_report"
HOLDER = "DeviceStatus"
REQUESTS_PER_SECOND = 15
DURATION_S = 2400


class DeviceStatus(enum.IntFlag):
    ONLINE = 0x01
    CHARGING = 0x02
    LOW_BATTERY = 0x04
    OVERHEATED = 0x08
    DOOR_OPEN = 0x10
    TAMPERED = 0x20
    GPS_FIX = 0x40
    FIRMWARE_PENDING = 0x80


class Fleet:
    def __init__(self):
        self.latest = {}
        self.alarms = 0

    def update(self, device, status):
        self.latest[device] = int(status)
        if status & (DeviceStatus.OVERHEATED | DeviceStatus.TAMPERED):
            self.alarms += 1


_fleet = None
_random = None


def decode_report(frame):
    device = int.from_bytes(frame[:4], "big")
    word = int.from_bytes(frame[4:8], "little")
    status = DeviceStatus(word)
    return device, status


def build_frame(device, flags, battery_mv, temperature):
    word = flags | (battery_mv & 0xFFF) << 8 | (temperature & 0x7FF) << 20
    return device.to_bytes(4, "big") + word.to_bytes(4, "little")


def setup():
    global _fleet, _random
    _fleet = Fleet()
    _random = random.Random(41)


def request(i, now):
    frame = build_frame(i % 1200, _random.getrandbits(8), 3300 + _random.randrange(700), _random.randrange(900))
    device, status = decode_report(frame)
    _fleet.update(device, status)
    return {"device": device, "online": bool(status & DeviceStatus.ONLINE)}


def teardown():
    _fleet.latest.clear()
