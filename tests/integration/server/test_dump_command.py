"""`spanheap dump`: of a URL, of a process by its number, by its signal; and every way in which it fails."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import spanheap
from spanheap import cli
from spanheap.server.entry import Entry

pytestmark = pytest.mark.once(reason="a matter of the command line, not of the CPython")
Script = Callable[..., str]
Service = Callable[[str], int]

SERVICE = """
import os, signal, sys, time
import spanheap
kept = [bytes(100_000) for _ in range(100)]
{body}
print("ready", flush=True)
sys.stdin.read()   # until the test ends, or is killed
"""


@pytest.fixture
def service() -> Iterator[Service]:
    """Starts processes that run this code and then wait; returns their numbers. They end with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(body: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", SERVICE.format(body=textwrap.dedent(body))], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process.pid

    yield start
    for process in processes:
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)


def dump(*arguments: object) -> int:
    """Run the command in this process."""
    return cli.main(["dump", *map(str, arguments)])


def failed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """It ends with 1, one line and no output; returns what the line says."""
    assert dump(*arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and shown.err.startswith("spanheap dump: error: ")
    return shown.err


def test_a_process_writes_a_dump_by_its_number(service: Service, tmp_path: Path) -> None:
    """The command itself, in a process of its own: prints path and size as JSON."""
    pid = service("""
        spanheap.start(sample_interval=10_000, debug_server="127.0.0.1:0")
        kept += [bytes(50_000) for _ in range(100)]
    """)
    done = subprocess.run([sys.executable, "-m", "spanheap", "dump", str(pid), "--json"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0 and done.stderr == ""
    answer = json.loads(done.stdout)
    path = Path(answer["path"])
    assert path.parent == tmp_path / "state" / "spanheap" and path.stat().st_size == answer["bytes"]
    found = spanheap.open_dump(path)
    assert found.metadata["process.pid"] == str(pid)
    assert found.sites(1)[0].live_bytes == pytest.approx(5_000_000, rel=0.2)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "unix:{}/s/{{pid}}.sock"])
def test_a_dump_is_fetched_whole(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By URL, to the file that was named, mode 0600; what was there is replaced."""
    target = tmp_path / "heap.pb.gz"
    target.write_text("an older one")
    target.chmod(0o644)
    with spanheap.profile(sample_interval=10_000, tick=None, debug_server=address.format(tmp_path)) as session:
        kept = [bytes(50_000) for _ in range(100)]
        assert dump(session.debug_url, "-o", target, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(target), "bytes": target.stat().st_size}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert spanheap.open_dump(target).sites(1)[0].live_bytes == pytest.approx(len(kept) * 50_000, rel=0.2)
    assert not list(tmp_path.glob(".spanheap*"))


def test_a_dump_that_is_fetched_has_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As one that the process writes: the report of either says how fast it grows, and what /debug/leaks says."""
    with spanheap.profile(sample_interval=10_000, tick=None, detect=spanheap.LeakPolicy(percent=1, within=1), dumps=None,
                          debug_server="127.0.0.1:0") as session:
        kept: list[bytes] = []
        for second in range(1, 30):
            kept += [bytes(50_000) for _ in range(10)]
            session.tick(float(second))
        [verdict] = session.leaks()
        assert dump(os.getpid(), "-o", tmp_path / "fetched.pb.gz") == 0
        assert dump(os.getpid()) == 0
        written = capsys.readouterr().out.splitlines()[-1]
    said = []
    for path in (tmp_path / "fetched.pb.gz", written):
        assert cli.main(["report", str(path), "-o", str(tmp_path / "report.html")]) == 0
        said.append(capsys.readouterr().out.splitlines()[0])
        assert verdict.reason.rstrip(".") in (tmp_path / "report.html").read_text()
    assert said[0] == said[1] and re.search(r"keeps [\d.]+ MiB more every (second|minute)", said[0])


def test_the_token_comes_from_the_environment_or_the_url(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, and with a wrong one, it says which variable to set; the token itself is never shown."""
    token = "secret-secret-secret"
    with spanheap.profile(tick=None, debug_server=spanheap.DebugServer("127.0.0.1:0", token=token)) as session:
        assert session.debug_url is not None
        assert "it needs a token: set SPANHEAP_DEBUG_TOKEN" in failed(capsys, os.getpid())
        netloc = session.debug_url.removeprefix("http://")
        error = failed(capsys, f"http://:wrong-secret@{netloc}")
        assert "it does not take this token" in error and "wrong-secret" not in error
        assert dump(f"http://:{token}@{netloc}", "-o", tmp_path / "by_url.pb.gz") == 0
        monkeypatch.setenv("SPANHEAP_DEBUG_TOKEN", token)
        assert dump(os.getpid(), "-o", tmp_path / "by_environment.pb.gz") == 0
        assert token not in "".join(capsys.readouterr())


def test_a_server_that_does_not_answer_is_asked_by_signal(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where its policy has one: the automatic dump is waited for, and copied where it was wanted."""
    pid = service(f"""
        policy = spanheap.DumpPolicy(signal=signal.SIGUSR2, folder={str(tmp_path / "auto")!r}, min_free_bytes=0)
        session = spanheap.start(tick=0.05, debug_server="127.0.0.1:0", dumps=policy)
        path = session._profiler.server._entry.path
        text = path.read_text()
        session._profiler.server.close()
        path.write_text(text)
    """)
    assert dump(pid, "-o", tmp_path / "copy.pb.gz") == 0
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 'copy.pb.gz'}\n"
    assert "connection refused" in shown.err and "asking by SIGUSR2" in shown.err
    found = spanheap.open_dump(tmp_path / "copy.pb.gz")
    assert found.metadata["reason"] == "signal" and found.metadata["process.pid"] == str(pid)
    assert len(list((tmp_path / "auto").glob(f"spanheap-auto-{pid}-*.pb.gz"))) >= 1


@pytest.mark.parametrize("handler", ["lambda *_: print('arrived', flush=True)", "signal.SIG_DFL"])
def test_a_signal_that_asks_for_something_else_by_now_is_not_sent(
    service: Service, capsys: pytest.CaptureFixture[str], handler: str
) -> None:
    """The service has put another handler in place of ours: its entry says so with the next tick."""
    pid = service(f"""
        session = spanheap.start(tick=None, debug_server="127.0.0.1:0", dumps=spanheap.DumpPolicy(signal=signal.SIGUSR2))
        session.tick(time.time())
        signal.signal(signal.SIGUSR2, {handler})
        session.tick(time.time())
        path = session._profiler.server._entry.path
        text = path.read_text()
        session._profiler.server.close()
        path.write_text(text)
    """)
    assert "connection refused" in (error := failed(capsys, pid)) and "SIGUSR2" not in error
    os.kill(pid, 0)


def test_a_signal_that_brings_nothing(tmp_path: Path) -> None:
    """One that would end the process is not sent; one that is answered by no dump is told, with where it was looked for."""
    from spanheap.server.client import TargetError
    from spanheap.server.dump_command import _signalled

    entry = Entry(os.getpid(), "http://127.0.0.1:1", "tests", False, int(signal.SIGUSR2), str(tmp_path))
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
    with pytest.raises(TargetError, match=r"does not handle SIGUSR2 \(any more\): no dump"):
        _signalled(entry, 0.3, None)
    arrived = []
    signal.signal(signal.SIGUSR2, lambda *_: arrived.append(1))
    try:
        with pytest.raises(TargetError, match=rf"but there was no dump in {tmp_path} within 0.3 s"):
            _signalled(entry, 0.3, None)
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    assert arrived == [1]


def test_processes_that_cannot_be_asked(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """No such process, one without a server, one that is stopped."""
    ended = subprocess.Popen(["true"])
    ended.wait(60)
    assert f"there is no process {ended.pid}" in failed(capsys, ended.pid)
    assert "there is no process 999999999999" in failed(capsys, "9" * 30)
    with spanheap.profile(tick=None):
        error = failed(capsys, os.getpid())
        assert f"process {os.getpid()} (" in error and 'spanheap.start(debug_server="127.0.0.1:6060")' in error
    pid = service('spanheap.start(debug_server="127.0.0.1:0")')
    os.kill(pid, signal.SIGSTOP)
    assert "no answer within 0.3 s: the process may be stopped" in failed(capsys, pid, "--timeout", 0.3)


def test_urls_that_cannot_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody there, no such socket, somebody else."""
    def unknown(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert f"http://127.0.0.1:{port}: connection refused" in failed(capsys, f"http://127.0.0.1:{port}")
    assert "there is no such socket" in failed(capsys, f"unix:{tmp_path}/none.sock")
    with monkeypatch.context() as without_names:   # a resolver may take its time to say so
        without_names.setattr(socket, "getaddrinfo", unknown)
        assert "the host is not known: no such name" in failed(capsys, "http://none.invalid:6060")

    class Other(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quietly."""

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.handle_request, daemon=True).start()
        assert "no debug server of spanheap" in failed(capsys, f"http://127.0.0.1:{other.server_port}")
    with socket.create_server(("127.0.0.1", 0)) as rude:
        def answer() -> None:
            client, _ = rude.accept()
            client.recv(1000)
            client.sendall(b"220 mail\r\n")
            client.close()

        threading.Thread(target=answer, daemon=True).start()
        assert "220 mail" in failed(capsys, f"http://127.0.0.1:{rude.getsockname()[1]}")


def test_an_answer_that_is_cut_off_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor half of one, nor a temporary one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer() -> None:
            client, _ = server.accept()
            client.recv(1000)
            client.sendall(b"HTTP/1.1 200 OK\r\nServer: spanheap/0\r\nContent-Length: 1000\r\n\r\n" + b"x" * 10)
            client.close()

        threading.Thread(target=answer, daemon=True).start()
        error = failed(capsys, f"http://127.0.0.1:{server.getsockname()[1]}", "-o", tmp_path / "heap.pb.gz")
    assert "10 of 1,000 bytes" in error or "IncompleteRead" in error
    assert not list(tmp_path.glob("*heap*"))


def test_a_server_that_refuses_is_quoted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the status."""
    monkeypatch.setattr("spanheap.dumps.folder.free_bytes", lambda directory: 1000)
    with spanheap.profile(tick=None, debug_server="127.0.0.1:0") as session:
        assert "has less than 64 MiB left (status 507)" in failed(capsys, session.debug_url)


def test_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be made: the reason, and 1."""
    with spanheap.profile(tick=None, debug_server="127.0.0.1:0"):
        assert "cannot write /proc/heap.pb.gz: " in failed(capsys, os.getpid(), "-o", "/proc/heap.pb.gz")


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed, and only root can be one")
def test_another_user_has_no_permission(script: Script, tmp_path: Path) -> None:
    """By the number: whose it is; by the socket: that it is for its user alone."""
    out = script(f"""
        import os, spanheap
        from spanheap import cli
        from spanheap.server import dump_command
        cli.build_parser().parse_args(["dump", "1"])   # imports what another user may not read
        session = spanheap.start(debug_server="unix:{tmp_path}/s/{{pid}}.sock")
        pid, url = os.getpid(), session.debug_url
        child = os.fork()
        if child == 0:
            os.seteuid(65534)
            os.dup2(1, 2)
            os._exit([cli.main(["dump", str(pid)]), cli.main(["dump", url])] != [1, 1])
        assert os.waitpid(child, 0)[1] == 0
    """)
    assert "error: no permission to look where process" in out and "it is root's; ask as that user" in out
    assert "no permission: the socket is for the user of the process alone" in out


@pytest.mark.parametrize(("arguments", "says"), [
    ((), "the following arguments are required: PID|URL"),
    (("shop",), "'shop' is neither the number of a process nor http://HOST:PORT nor unix:/PATH"),
    (("-1",), "'-1' is neither the number of a process"),
    (("unix:relative.sock",), "is neither"),
    (("http://127.0.0.1:6060/debug",), "must be the server alone: http://HOST:PORT"),
    (("http://127.0.0.1:99999",), "is no URL"),
    (("http://",), "must be the server alone"),
    (("1", "--timeout", "0"), "'0' is not a number of seconds from 0.1 to 3600"),
    (("1", "--timeout", "x"), "'x' is not a number of seconds"),
    (("1", "-o", "/no/such/folder/heap.pb.gz"), "there is no folder /no/such/folder"),
    (("1", "-o", "/tmp"), "it is a folder: name a file"),
    (("1", "--nonsense"), "unrecognized arguments: --nonsense"),
])
def test_wrong_usage_is_named(arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And ends with 2."""
    with pytest.raises(SystemExit) as ended:
        dump(*arguments)
    assert ended.value.code == 2 and says in capsys.readouterr().err
