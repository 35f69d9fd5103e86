"""The socket that a debug server listens on: its own alone, whoever else listens here.

TCP: the port that was asked for or, where it is taken, the next free one of some (workers of one service). Never
SO_REUSEPORT: two processes would share a port, and a client would ask now one and now the other.

Unix: mode 0600 in a folder 0700 of this user's. Nobody can connect between bind and chmod, since nobody can enter the
folder. What a process of the same number left behind when it was killed is replaced; what somebody listens on, or is no
socket, is not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from spanheap.errors import SpanheapError
from spanheap.server.policy import TcpAddress, UnixAddress

NEXT_PORTS = 100   # tried beyond the one asked for
_BACKLOG = 16


class Listener:
    """Listens from the moment it is made. Raises SpanheapError where that cannot be."""

    def __init__(self, where: TcpAddress | UnixAddress) -> None:
        self.moved = False   # to another port than the one asked for
        self._unlink: tuple[str, int, int] | None = None
        self.socket = self._of_path(where.of(os.getpid())) if isinstance(where, UnixAddress) else self._of_port(where)
        self.socket.setblocking(False)
        self._inode = os.fstat(self.socket.fileno()).st_ino

    @property
    def is_ours(self) -> bool:
        """Whether the descriptor is still that of the socket: who becomes a daemon closes all that it finds, and the number
        is given to the next file."""
        try:
            return os.fstat(self.socket.fileno()).st_ino == self._inode
        except OSError:
            return False

    def _of_port(self, where: TcpAddress) -> socket.socket:
        last = where.port if where.port == 0 else min(65535, where.port + NEXT_PORTS)
        for port in range(where.port, last + 1):
            listening = socket.socket(where.family, socket.SOCK_STREAM)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)   # after a restart, not beside another
                listening.bind((where.host, port))
                listening.listen(_BACKLOG)
            except OSError as error:
                listening.close()
                if error.errno == errno.EADDRINUSE and port < last:
                    continue
                raise SpanheapError(_message(f"{where.host} port {port}", error)) from error
            actual = listening.getsockname()[1]
            self.moved = where.port not in (0, actual)
            self.url = f"http://{TcpAddress(where.host, actual)}"
            return listening
        raise AssertionError("the last port is taken or not")

    def _of_path(self, path: str) -> socket.socket:
        try:
            _private_folder(os.path.dirname(path))
            _remove_stale(path)
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                listening.bind(path)
                os.chmod(path, 0o600)
                listening.listen(_BACKLOG)
                found = os.lstat(path)
            except BaseException:
                listening.close()
                raise
        except OSError as error:
            raise SpanheapError(_message(path, error)) from error
        self._unlink = path, found.st_dev, found.st_ino
        self.url = f"unix:{path}"
        return listening

    def close(self) -> None:
        """And remove the socket's name, if it is still ours."""
        if self.is_ours:
            self.socket.close()
        else:
            self.socket.detach()
        if self._unlink is not None:
            path, device, inode = self._unlink
            with contextlib.suppress(OSError):
                found = os.lstat(path)
                if (found.st_dev, found.st_ino) == (device, inode):
                    os.unlink(path)
            self._unlink = None

    def forked(self) -> None:
        """In the child, which forgets this object: the parent goes on listening, and the name is the parent's."""
        self.socket.close()


def _message(where: str, error: OSError) -> str:
    hint = {
        errno.EADDRINUSE: f"it and the {NEXT_PORTS} ports after it are taken; port 0 takes any that is free"
        if "port" in where else "somebody listens there",
        errno.EACCES: "no permission; ports below 1024 are root's" if "port" in where else "no permission",
        errno.EADDRNOTAVAIL: "that is no address of this machine",
    }.get(error.errno or 0, os.strerror(error.errno or 0) if error.errno else str(error))
    return f"no debug server on {where}: {hint}"


def _private_folder(folder: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.makedirs(folder, mode=0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SpanheapError(f"no debug server in {folder}: it must be a folder of this user's that nobody else can enter "
                            f"(mode 0700); one that is not there yet is made so")


def _remove_stale(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SpanheapError(f"no debug server on {path}: there is something else than a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
