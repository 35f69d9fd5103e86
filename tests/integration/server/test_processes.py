"""One server a process: ports that are taken, sockets, forks, and how a process is found by its number."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import spanheap
from spanheap.server import entry

from ._http import ask

pytestmark = pytest.mark.once(reason="a matter of the server, not of the CPython")
Script = Callable[..., str]


def started(address: str) -> spanheap.Session:
    """A session whose server should be there."""
    return spanheap.start(tick=None, debug_server=address)


def test_a_taken_port_gives_the_next_free_one(caplog: pytest.LogCaptureFixture) -> None:
    """And the log says where; nobody else's port is shared."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        session = started(f"127.0.0.1:{port}")
        try:
            assert session.debug_url is not None and session.debug_url != f"http://127.0.0.1:{port}"
            says = f"127.0.0.1:{port} is taken: the debug server of process {os.getpid()} is at {session.debug_url}"
            assert says in caplog.text
            assert ask(session.debug_url, "/debug/stats").json["process"]["pid"] == os.getpid()
        finally:
            session.shutdown()


@pytest.mark.parametrize(("address", "says"), [
    ("127.0.0.1:{port}", "it and the 0 ports after it are taken; port 0 takes any that is free"),
    ("[2001:db8::1]:6060", "no address of this machine"),
    ("unix:{file}/{{pid}}.sock", "must be a folder of this user's"),
    ("unix:{open}/{{pid}}.sock", "must be a folder of this user's that nobody else can enter (mode 0700)"),
    ("unix:{link}/{{pid}}.sock", "must be a folder of this user's"),
])
def test_where_it_cannot_listen_the_service_goes_on(
    address: str, says: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning says why and what to do; there is no server and no entry."""
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "private")
    monkeypatch.setattr("spanheap.server.listener.NEXT_PORTS", 0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = address.format(port=other.getsockname()[1], **{name: tmp_path / name for name in ("file", "open", "link")})
        policy = spanheap.DebugServer(where, allow_remote=True, token="0123456789abcdef")
        with spanheap.profile(tick=None, debug_server=policy) as session:
            assert session.debug_url is None
            assert session.snapshot().samples >= 0
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1 and warnings[0].startswith("spanheap: no debug server ") and says in warnings[0]
    assert entry.all_of(os.getuid()) == []


def test_a_unix_socket_is_this_users_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder made 0700, whatever the umask; removed at the end."""
    mask = os.umask(0)
    try:
        session = started(f"unix:{tmp_path}/sockets/{{pid}}.sock")
    finally:
        os.umask(mask)
    path = tmp_path / "sockets" / f"{os.getpid()}.sock"
    try:
        assert session.debug_url == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert ask(session.debug_url, "/debug/stats").json["process"]["pid"] == os.getpid()
        assert ask(session.debug_url, "/", Host="evil.example").status == 403
    finally:
        session.shutdown()
    assert list(path.parent.iterdir()) == []


def test_what_a_killed_process_left_is_replaced_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A dead socket is; one that somebody listens on, and what is no socket, stays."""
    path = tmp_path / "s" / f"{os.getpid()}.sock"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with spanheap.profile(tick=None, debug_server=f"unix:{tmp_path}/s/{{pid}}.sock") as session:
        assert session.debug_url == f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen()
        with spanheap.profile(tick=None, debug_server=f"unix:{tmp_path}/s/{{pid}}.sock") as session:
            assert session.debug_url is None and "somebody listens there" in caplog.text
        assert path.is_socket()
        path.unlink()
    path.write_text("a file")
    with spanheap.profile(tick=None, debug_server=f"unix:{tmp_path}/s/{{pid}}.sock") as session:
        assert session.debug_url is None and "something else than a socket" in caplog.text
    assert path.read_text() == "a file"


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "unix:{folder}/{{pid}}.sock"])
def test_a_forked_child_has_a_server_of_its_own(script: Script, tmp_path: Path, address: str) -> None:
    """From its first tick on, beside the parent's, which goes on; neither ends what is the other's; open requests are the
    parent's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    out = script(f"""
        import http.client, json, os, socket, sys, time
        import spanheap
        from spanheap.server import client

        def pid_at(url):
            return client.Client(url).get_json("/debug/stats")["process"]["pid"]

        session = spanheap.start(tick=None, debug_server={address.format(port=port, folder=tmp_path / "s")!r})
        ours = session.debug_url
        open_request = client.connected(ours, 20)
        open_request.sendall(b"GET /debug/sta")
        while not session._profiler.server._connections:
            time.sleep(0.01)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                open_request.close()
                assert session.debug_url is None
                session.tick(time.time())
                theirs = session.debug_url
                assert theirs and theirs != ours and pid_at(theirs) == os.getpid() and pid_at(ours) == os.getppid()
                os.write(write, theirs.encode())
                time.sleep(0.5)
                session.shutdown()
                os._exit(0)
            finally:
                os._exit(1)
        theirs = os.read(read, 1000).decode()
        assert pid_at(theirs) == pid and pid_at(ours) == os.getpid()
        assert [e.url for e in client.entry.all_of(os.getuid())] == [ours, theirs]
        open_request.sendall(b"ts HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        answer = b""
        while part := open_request.recv(65536):
            answer += part
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert os.waitpid(pid, 0)[1] == 0
        assert pid_at(ours) == os.getpid() and [e.pid for e in client.entry.all_of(os.getuid())] == [os.getpid()]
        print("both")
    """)
    assert out == "both\n"
    assert list(tmp_path.glob("s/*")) == []


def test_a_child_that_only_execs_has_no_thread(script: Script) -> None:
    """Nor a socket, neither that which listens nor those of requests: there is none before a tick."""
    script("""
        import os, threading, time, spanheap
        from spanheap.server.client import connected

        def sockets():
            paths = [f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]
            return sum(os.readlink(path).startswith("socket:") for path in paths if os.path.islink(path))

        before = sockets()
        session = spanheap.start(debug_server="127.0.0.1:0")
        client = connected(session.debug_url, 20)
        while not session._profiler.server._connections:
            time.sleep(0.01)
        pid = os.fork()
        if pid == 0:
            client.close()
            os._exit(threading.active_count() != 1 or sockets() != before)
        assert os.waitpid(pid, 0)[1] == 0
        assert session.debug_url is not None
    """)


def test_descriptors_that_somebody_else_closed_are_let_alone(script: Script) -> None:
    """Who becomes a daemon closes all that it finds: their numbers are other files' then, which stay open; nothing hangs."""
    script("""
        import os, time, spanheap
        session = spanheap.start(debug_server="127.0.0.1:0")
        server = session._profiler.server
        numbers = sorted([server._listener.socket.fileno(), *(end.fileno() for end in server._wake)])
        files = []
        for number in numbers:
            os.close(number)
            files.append(open(os.devnull))
        assert sorted(file.fileno() for file in files) == numbers
        session.shutdown()
        for file in files:
            os.fstat(file.fileno())
    """)


def test_an_entry_counts_while_its_process_lives(runtime: Path, script: Script) -> None:
    """Private; without the token; that of a killed process, and of a number that was given away, is none."""
    policy = spanheap.DebugServer("127.0.0.1:0", token="secret-secret-secret")
    with spanheap.profile(tick=None, debug_server=policy) as session:
        path = runtime / "spanheap" / f"server-{os.getpid()}.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert "secret" not in path.read_text()
        found = entry.of(os.getpid(), os.getuid())
        assert found is not None and found.url == session.debug_url and found.needs_token
        killed = int(script("""
            import os, subprocess, sys
            body = "import os, spanheap; spanheap.start(debug_server='127.0.0.1:0'); print(os.getpid(), flush=True); "
            body += "os.abort()"
            print(subprocess.run([sys.executable, "-c", body], capture_output=True, text=True).stdout)
        """))
        left = path.with_name(f"server-{killed}.json")
        assert left.exists() and entry.of(killed, os.getuid()) is None
        document = json.loads(path.read_text())
        for key, value in (("process_start", 1), ("boot_id", "0"), ("format", "?"), ("pid", os.getppid())):
            path.write_text(json.dumps({**document, key: value}))
            assert entry.of(os.getpid(), os.getuid()) is None and entry.all_of(os.getuid()) == []
        for text in ("", "{", "[]", "null", '{"pid": "x"}'):
            path.write_text(text)
            assert entry.of(os.getpid(), os.getuid()) is None
    with spanheap.profile(tick=None, debug_server="127.0.0.1:0"):
        assert not left.exists()   # the next one tidies up


def test_an_entry_of_somebody_else_is_none(runtime: Path) -> None:
    """Nor one in a folder that others can write to, nor a link."""
    with spanheap.profile(tick=None, debug_server="127.0.0.1:0"):
        folder = runtime / "spanheap"
        path = folder / f"server-{os.getpid()}.json"
        assert entry.of(os.getpid(), os.getuid()) is not None
        assert entry.of(os.getpid(), os.getuid() + 1) is None
        folder.chmod(0o777)
        assert entry.of(os.getpid(), os.getuid()) is None
        folder.chmod(0o700)
        path.rename(runtime / "moved")
        path.symlink_to(runtime / "moved")
        assert entry.of(os.getpid(), os.getuid()) is None
