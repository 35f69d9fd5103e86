"""The memory limits of a process and what is used of them, on made-up machines."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from spanheap import memory_limit, process
from spanheap.memory_limit import Limit, find, tightest, usage

pytestmark = pytest.mark.once(reason="reads files")

MIB = 1 << 20
NO_LIMIT = resource.RLIM_INFINITY
V1_NONE = 9223372036854771712
V2 = "31 23 0:28 {root} /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"


class Machine:
    """Folders with /proc and /sys as a kernel would show them."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder)
        self.write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:        1 kB\n")
        self.write("proc/self/statm", "1000 250 100 1 0 500 0\n")

    def write(self, path: str, text: str | int) -> None:
        """A file below the root."""
        file = Path(self.root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(text))

    def v2(self, path: str, limit: str | int, current: int = 0, inactive: int = 0) -> None:
        """A cgroup of version 2."""
        folder = "sys/fs/cgroup" + path
        self.write(f"{folder}/memory.max", f"{limit}\n")
        self.write(f"{folder}/memory.current", f"{current}\n")
        self.write(f"{folder}/memory.stat", f"anon 5\nactive_file 7\ninactive_file {inactive}\nslab 9\n")

    def v1(self, path: str, limit: int, current: int = 0, inactive: int = 0, hierarchical: int = V1_NONE) -> None:
        """A cgroup of version 1."""
        folder = "sys/fs/cgroup/memory" + path
        self.write(f"{folder}/memory.limit_in_bytes", f"{limit}\n")
        self.write(f"{folder}/memory.usage_in_bytes", f"{current}\n")
        stat = f"inactive_file 1\nhierarchical_memory_limit {hierarchical}\ntotal_inactive_file {inactive}\n"
        self.write(f"{folder}/memory.stat", stat)

    def is_in(self, cgroup: str, mounts: str) -> None:
        """This process."""
        self.write("proc/self/cgroup", cgroup)
        self.write("proc/self/mountinfo", "23 1 0:20 / / rw - ext4 /dev/root rw\n" + mounts)

    def find(self) -> list[Limit]:
        """The limits here."""
        return find(root=self.root, rlimit_as=NO_LIMIT)

    def found(self) -> list[tuple[int, str]]:
        """(limit, folder below the root)."""
        return [(limit.bytes, os.path.relpath(limit.folder, self.root)) for limit in self.find()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return one with 16 GiB and no cgroups yet."""
    return Machine(tmp_path)


def test_v2_the_cgroup_and_its_ancestors(machine: Machine) -> None:
    """Each with a limit of its own counts, the nearest first; "max" is none."""
    machine.is_in("0::/pods/one/web\n", V2.format(root="/"))
    machine.v2("", "max")
    machine.v2("/pods", 4000 * MIB)
    machine.v2("/pods/one", "max")
    machine.v2("/pods/one/web", 500 * MIB)
    machine.v2("/pods/two", 1 * MIB)
    assert machine.found() == [(500 * MIB, "sys/fs/cgroup/pods/one/web"), (4000 * MIB, "sys/fs/cgroup/pods")]


def test_v2_in_a_container(machine: Machine) -> None:
    """With a namespace of its own it sees itself as /; without, what is mounted is its own, whatever its path says."""
    machine.v2("", 300 * MIB)
    for path, root in (("/", "/"), ("/kubepods/pod1/x", "/kubepods/pod1/x"), ("/../../other", "/"), ("/gone", "/")):
        machine.is_in(f"0::{path}\n", V2.format(root=root))
        assert machine.found() == [(300 * MIB, "sys/fs/cgroup")], (path, root)


def test_what_is_mounted_is_part_of_the_path(machine: Machine) -> None:
    """The folder is the rest of the path below the mount's root."""
    machine.is_in("0::/a/b/c\n", V2.format(root="/a"))
    machine.v2("/b/c", 300 * MIB)
    assert machine.found() == [(300 * MIB, "sys/fs/cgroup/b/c")]


def test_v1(machine: Machine) -> None:
    """Its huge number is no limit; hierarchical_memory_limit tells of ancestors that cannot be seen."""
    machine.is_in("4:cpu,cpuacct:/x\n3:memory:/x\n0::/\n", V1.format(root="/"))
    machine.v1("", V1_NONE)
    machine.v1("/x", V1_NONE)
    assert machine.found() == []
    machine.v1("/x", V1_NONE, hierarchical=700 * MIB)
    assert machine.found() == [(700 * MIB, "sys/fs/cgroup/memory/x")]
    machine.v1("/x", 600 * MIB, hierarchical=700 * MIB)
    assert machine.found() == [(600 * MIB, "sys/fs/cgroup/memory/x")]


def test_a_hybrid_machine(machine: Machine) -> None:
    """Version 1 has the controller of memory, version 2 is mounted beside it without."""
    machine.is_in(
        "3:memory:/x\n0::/x\n",
        V1.format(root="/") + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
    )
    machine.write("sys/fs/cgroup/unified/x/cgroup.procs", "1\n")
    machine.v1("/x", 600 * MIB)
    assert machine.found() == [(600 * MIB, "sys/fs/cgroup/memory/x")]


def test_use_is_without_what_the_kernel_takes_back(machine: Machine) -> None:
    """memory.current less inactive_file; in version 1 usage_in_bytes less that of the whole subtree."""
    machine.is_in("3:memory:/x\n0::/a\n", V2.format(root="/") + V1.format(root="/"))
    machine.v2("/a", 500 * MIB, current=400 * MIB, inactive=150 * MIB)
    machine.v1("/x", 600 * MIB, current=300 * MIB, inactive=100 * MIB)
    v2, v1 = (usage(limit) for limit in machine.find())
    assert v2 and v1
    assert (v2.bytes, v2.fraction) == (250 * MIB, 0.5)
    assert (v1.bytes, v1.limit.source) == (200 * MIB, "cgroup v1")
    machine.v2("/a", 500 * MIB, current=1 * MIB, inactive=2 * MIB)   # the files are not read at the same moment
    reading = usage(machine.find()[0])
    assert reading and reading.bytes == 0


def test_the_tightest(machine: Machine) -> None:
    """The one that is fullest: a parent's neighbours can fill it first; that changes."""
    machine.is_in("0::/pod/web\n", V2.format(root="/"))
    machine.v2("/pod", 1000 * MIB, current=900 * MIB)
    machine.v2("/pod/web", 500 * MIB, current=100 * MIB)
    limits = machine.find()
    reading = tightest(limits)
    assert reading and (reading.limit.bytes, reading.fraction) == (1000 * MIB, 0.9)
    machine.v2("/pod", 1000 * MIB, current=300 * MIB)
    machine.v2("/pod/web", 500 * MIB, current=300 * MIB)
    reading = tightest(limits)
    assert reading and (reading.limit.bytes, reading.fraction) == (500 * MIB, 0.6)


def test_address_space(machine: Machine) -> None:
    """RLIMIT_AS is held against the virtual size, which is 4 times the resident one here; the machine does not bound it."""
    [limit] = find(root=machine.root, rlimit_as=32 << 30)
    assert (limit.bytes, limit.source) == (32 << 30, "RLIMIT_AS")
    reading = usage(limit, root=machine.root)
    assert reading and reading.bytes == 1000 * os.sysconf("SC_PAGE_SIZE")


def test_a_given_limit(machine: Machine) -> None:
    """Replaces the others, and is held against the resident size."""
    machine.is_in("0::/a\n", V2.format(root="/"))
    machine.v2("/a", 500 * MIB)
    assert find(given=123 * MIB, root=machine.root) == [Limit(123 * MIB, "given")]
    reading = usage(Limit(123 * MIB, "given"), root=machine.root)
    assert reading and reading.bytes == 250 * os.sysconf("SC_PAGE_SIZE")


def test_the_machines_memory_is_no_limit(machine: Machine) -> None:
    """Nor is a cgroup's that is not below it; nor is anything on a machine without these files."""
    machine.is_in("0::/a\n", V2.format(root="/"))
    machine.v2("/a", 16 << 30)
    assert machine.find() == []
    machine.v2("/a", (16 << 30) - 4096)
    assert len(machine.find()) == 1
    assert find(root=machine.root + "/nowhere", rlimit_as=NO_LIMIT) == []
    assert tightest([]) is None


@pytest.mark.parametrize("broken", ["", "\n", "0::\n", "0\n", "x:y\n", "\udcff", "0::relative\n", ":memory:/\n"])
def test_what_cannot_be_read_is_no_limit(machine: Machine, broken: str) -> None:
    """Torn and strange files do not raise."""
    machine.is_in("0::/a\n", V2.format(root="/"))
    machine.v2("/a", 500 * MIB)
    machine.v2("", "max")
    limits = machine.find()
    files = [f for f in Path(machine.root).rglob("*") if f.is_file()]
    for file in files:
        before = file.read_bytes()
        file.write_bytes(broken.encode("utf-8", "surrogateescape"))
        machine.find()
        tightest(limits, root=machine.root)
        file.write_bytes(before)
    for file in files:
        file.unlink()
    assert machine.find() == [] and tightest(limits, root=machine.root) is None
    assert usage(Limit(1, "given"), root=machine.root) is None


def test_this_process() -> None:
    """On the machine of the test: RLIMIT_AS is found, and what is used is what the kernel says."""
    code = (
        "import resource, sys\n"
        "from spanheap import memory_limit, process\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))\n"
        "limit = memory_limit.find()[-1]\n"
        "print(limit.bytes, limit.source, abs(memory_limit.usage(limit).bytes - process.memory().virtual) < 1 << 20)\n"
        "assert not [m for m in sys.modules if m.startswith(('numpy', 'opentelemetry.sdk'))]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{1 << 40} RLIMIT_AS True\n"


def test_the_process_reads_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A given limit's use is the resident size; where /proc is not there, None."""
    reading, memory = usage(Limit(1 << 40, "given")), process.memory()
    assert reading and memory and abs(reading.bytes - memory.resident) < 64 * MIB
    monkeypatch.setattr(memory_limit.process, "memory", lambda root: None)
    assert usage(Limit(1 << 40, "given")) is None
