"""A tar stream that is written for days: TarFile keeps the header of each member it wrote.

Seen in a backup agent.
"""

from __future__ import annotations

import io
import tarfile

KIND = "leak"
SPAN = "backup object"
SITE = "append_object"
HOLDER = "members"
REQUESTS_PER_SECOND = 10
DURATION_S = 3000


class Tape:
    """Takes the blocks of the stream and sends them on in large pieces."""

    def __init__(self, piece=1 << 18):
        self.piece = piece
        self.sent = 0
        self.pending = bytearray()

    def write(self, block):
        self.pending += block
        if len(self.pending) >= self.piece:
            self.sent += len(self.pending)
            self.pending = bytearray()
        return len(block)


class BackupStream:
    def __init__(self, tape):
        self.archive = tarfile.open(fileobj=tape, mode="w|", format=tarfile.GNU_FORMAT)

    def append_object(self, bucket, key, content, modified):
        header = tarfile.TarInfo(f"{bucket}/{key}")
        header.size = len(content)
        header.mtime = int(modified)
        header.uname = header.gname = "backup"
        header.pax_headers = {
            "SCHILY.xattr.user.bucket": bucket,
            "SCHILY.xattr.user.etag": f"{hash(content) & (1 << 64) - 1:016x}",
        }
        self.archive.addfile(header, io.BytesIO(content))


_backup = None


def setup():
    global _backup
    _backup = BackupStream(Tape())


def request(i, now):
    content = (f"object {i} " * (20 + i % 150)).encode()
    _backup.append_object(f"bucket-{i % 9}", f"{i % 256:02x}/{i:012d}/data.bin", content, now)


def teardown():
    _backup.archive.members.clear()
