"""`spanheap run`: as `python` would, and one line in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import spanheap

pytestmark = pytest.mark.once(reason="a command line")

FILL = "kept = []\ndef fill():\n    kept.extend(bytes(100_000) for _ in range(300))\nfill()\n"


def start(command: list[str], folder: Path, **variables: str) -> subprocess.Popen[str]:
    """A child in this folder."""
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), **variables}
    # From 3.12 on a fork beside the tick thread is warned of where the program itself forks; docs/enabling.md.
    environment["PYTHONWARNINGS"] = "ignore:This process:DeprecationWarning"
    return subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, text=True, start_new_session=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """(status, stdout, stderr)."""
    with process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out, err


def run(command: list[str], folder: Path, **variables: str) -> tuple[int, str, str]:
    """(status, stdout, stderr) of python with these arguments."""
    return ended(start(command, folder, **variables))


def both(arguments: list[str], folder: Path) -> tuple[tuple[int, str, str], tuple[int, str, str]]:
    """What `python` and `spanheap run` do with these."""
    processes = start(arguments, folder), start(["-m", "spanheap", "run", *arguments], folder)
    return ended(processes[0]), ended(processes[1])


PROGRAMS = {
    "its surroundings": "import sys; print(sys.argv, sys.path[0], __name__, __file__, __spec__, sys.modules['__main__'].x)",
    "a status": "import sys; sys.exit(3)",
    "a status in words": "raise SystemExit('no more')",
    "no status": "raise SystemExit",
    "an exception": "def f():\n    return {}[1]\nf()",
    "an interrupt": "raise KeyboardInterrupt",
    "a syntax error": "if:",
    "a signal of its own": "import os, signal; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(50)",
    "threads": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
    "a forked child": "import os, sys\npid = os.fork()\nif pid == 0: sys.exit(5)\nprint(os.waitpid(pid, 0)[1])",
    "a child that is ended": (
        "import multiprocessing, time\nif __name__ == '__main__':\n"
        "    p = multiprocessing.get_context('fork').Process(target=time.sleep, args=(50,))\n"
        "    p.start(); time.sleep(0.1); p.terminate(); p.join(); print(p.exitcode)"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_does_what_it_does_under_python(tmp_path: Path, name: str) -> None:
    """Status (or signal), output and traceback; the line of spanheap comes last, once."""
    tmp_path.joinpath("program.py").write_text("x = 1\n" + PROGRAMS[name] + "\n")
    expected, found = both(["program.py", "a", "--json", "-m"], tmp_path)
    assert found[:2] == expected[:2]
    lines = found[2].splitlines()
    if name != "a syntax error":
        assert lines.pop().startswith("spanheap: ")
    assert "spanheap:" not in "\n".join(lines)
    assert [line.replace("line 2, in <module>", "") for line in lines if "^" not in line] == [
        line.replace("line 2, in <module>", "") for line in expected[2].splitlines() if "^" not in line
    ]


def test_a_module_does_what_it_does_under_python(tmp_path: Path) -> None:
    """With its package, its arguments and the working directory on the path."""
    package = tmp_path / "shop"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    package.joinpath("__main__.py").write_text(
        "import sys; from . import price; print(sys.argv, sys.path[0], __spec__.name, __package__, price.of(2))")
    package.joinpath("price.py").write_text("def of(n): return n * 3\n")
    expected, found = both(["-m", "shop", "x"], tmp_path)
    assert found[:2] == expected[:2] and expected[0] == 0


def test_a_service_that_is_told_to_stop_says_what_it_kept(tmp_path: Path) -> None:
    """SIGTERM without a handler: the line, the dump, and still an end by this signal."""
    tmp_path.joinpath("service.py").write_text(FILL + "import time\nprint('up', flush=True)\ntime.sleep(50)\n")
    command = ["-m", "spanheap", "run", "--sample-interval=64KiB", "--final-dump=end.pb.gz", "service.py"]
    with start(command, tmp_path) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    (line,) = err.splitlines()
    assert "no leak found" in line and str(tmp_path / "end.pb.gz") in line
    largest = spanheap.open_dump(tmp_path / "end.pb.gz").sites(1)[0]
    assert any(frame.function == "fill" for frame in largest.stack)


def test_the_line_has_the_verdict(tmp_path: Path) -> None:
    """What the detector says, of the simple rule here, which needs few seconds; the dump is in the folder of dumps."""
    tmp_path.joinpath("program.py").write_text(
        "import time, spanheap\nkept, end = [], time.monotonic() + 50\n"
        "while not spanheap.current().leaks() and time.monotonic() < end:\n"
        "    kept.append(bytes(500_000)); time.sleep(0.05)\n")
    status, _, err = run(
        ["-m", "spanheap", "run", "--tick", "0.1", "--detect-percent", "1", "--detect-within", "1", "--dumps", "false",
         "program.py"], tmp_path, OTEL_PYTHON_SPANHEAP_SAMPLE_INTERVAL="4096")
    assert status == 0
    line = err.splitlines()[-1]
    assert line.startswith("spanheap: growing: ") and " MiB kept, " in line
    (dump,) = tmp_path.joinpath("state", "spanheap").iterdir()
    assert line.endswith(str(dump))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give a script, or a module with -m"),
        (["missing.py"], "cannot read missing.py"),
        (["-m", "missing_module"], "no module 'missing_module'"),
        (["--sample-interval", "0", "x.py"], "'0' is not a whole number from 1 to 1,099,511,627,776"),
        (["--tick", "x.py"], "argument --tick: 'x.py' is not a number from 0.01 to 3,600"),
        (["--toggle-signal=USR2", "--dumps-signal=USR2", "x.py"], "argument --toggle-signal: toggle_signal must be another"),
        (["--sample", "3", "x.py"], "unrecognized arguments: --sample"),
        (["--profiles-endpoint", "collector:4318", "x.py"],
         "'collector:4318': expected an http:// or https:// URL with a host and maybe a port, such as http://localhost:4318"),
        (["--profiles-endpoint=grpc://collector:4317", "x.py"], "'grpc://collector:4317': expected an http://"),
        (["--profiles-endpoint=http://:4318", "x.py"], "'http://:4318': expected an http://"),
        (["--profiles-endpoint=", "x.py"], "'' is not an http:// or https:// URL, or none"),
        (["--profiles-interval=0", "x.py"], "argument --profiles-interval: '0' is not a number from 0.05 to 86,400"),
    ],
)
def test_wrong_usage_is_named(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Status 2, and what would be right; nothing ran."""
    tmp_path.joinpath("x.py").write_text("print('ran')")
    status, out, err = run(["-m", "spanheap", "run", *arguments], tmp_path)
    assert (status, out) == (2, "") and said in err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("OTEL_PYTHON_SPANHEAP_SAMPLE_INTERVAL", "some", "='some' is not"),
        ("OTEL_PYTHON_SPANHEAP_PROFILES_ENDPOINT", "collector:4318", "='collector:4318': profiles_endpoint = "),
        ("OTEL_PYTHON_SPANHEAP_PROFILES_INTERVAL", "0", "='0' is not"),
    ],
)
def test_a_wrong_variable_does_not_keep_the_program_from_running(tmp_path: Path, name: str, text: str, said: str) -> None:
    """It is one line, and the default; so where OTLP's own variables are wrong, below."""
    tmp_path.joinpath("x.py").write_text("import spanheap; print(spanheap.current().stats().sample_interval)")
    status, out, err = run(["-m", "spanheap", "run", "--final-dump", "none", "x.py"], tmp_path, **{name: text})
    assert (status, out) == (0, "524288.0\n")
    assert len(err.splitlines()) == 2 and name + said in err.splitlines()[0]


@pytest.mark.parametrize("name", ["CERTIFICATE", "PROFILES_CLIENT_CERTIFICATE"])
def test_a_certificate_that_is_not_there_does_not_keep_the_program_from_running(tmp_path: Path, name: str) -> None:
    """The variable is named; profiles are exported without it."""
    pytest.importorskip("opentelemetry.proto.profiles.v1development.profiles_pb2", reason="needs spanheap[otlp]")
    tmp_path.joinpath("x.py").write_text("import spanheap; print(spanheap.current()._profiler.profiles.url)")
    status, out, err = run(
        ["-m", "spanheap", "run", "--profiles-endpoint=https://127.0.0.1:1", "--final-dump=none", "x.py"], tmp_path,
        **{f"OTEL_EXPORTER_OTLP_{name}": "/no/such.pem"})
    assert (status, out) == (0, "https://127.0.0.1:1/v1development/profiles\n")
    assert len(err.splitlines()) == 2 and f"OTEL_EXPORTER_OTLP_{name} = '/no/such.pem' cannot be used" in err


def test_a_flag_without_the_package_for_it_says_what_to_install(tmp_path: Path) -> None:
    """Status 2: who asks for profiles on the command line wants them."""
    tmp_path.joinpath("sitecustomize.py").write_text("import sys; sys.modules['opentelemetry.proto'] = None")
    tmp_path.joinpath("x.py").write_text("print('ran')")
    status, out, err = run(["-m", "spanheap", "run", "--profiles-endpoint=http://c:4318", "x.py"], tmp_path,
                           PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert (status, out) == (2, "")
    assert "argument --profiles-endpoint: exporting profiles needs opentelemetry-proto" in err
    assert "pip install 'spanheap[otlp]'" in err


@pytest.mark.parametrize(("flags", "variables"), [
    (["--dumps-folder=dumps"], {}), ([], {"OTEL_PYTHON_SPANHEAP_DUMPS_FOLDER": "dumps"})])
def test_the_last_dump_is_where_the_others_are(tmp_path: Path, flags: list[str], variables: dict[str, str]) -> None:
    """In the folder that was given for dumps, by flag or variable."""
    tmp_path.joinpath("x.py").write_text(FILL)
    status, _, err = run(["-m", "spanheap", "run", *flags, "x.py"], tmp_path, **variables)
    (dump,) = tmp_path.joinpath("dumps").iterdir()
    assert status == 0 and err.endswith(f"dump {dump}\n") and not tmp_path.joinpath("state").exists()


def test_a_dump_that_cannot_be_written_is_said_and_changes_no_status(tmp_path: Path) -> None:
    """The program's end is what counts."""
    tmp_path.joinpath("x.py").write_text("raise SystemExit(4)")
    status, _, err = run(["-m", "spanheap", "run", "--final-dump", "no/such/x.pb.gz", "x.py"], tmp_path)
    assert status == 4 and "no dump: " in err and "no/such" in err
