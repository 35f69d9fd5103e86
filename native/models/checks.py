"""Builds and runs the models of this folder.

A check is a model with what is expected of it: that it holds, or, with a rule broken or an order weakened, that this is
noticed. One that is not noticed says that the model proves nothing about that rule.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
RELACY_HEADER = Path("/usr/include/relacy/relacy.hpp")

SHORT_ITERATIONS, LONG_ITERATIONS = 100_000, 5_000_000   # of relacy, which visits interleavings at random
# The slowest takes a minute on a busy machine; the long forms need some GiB for the states they have visited.
TIMEOUT_S = 900


@dataclass(frozen=True)
class Check:
    """`run` returns whether the model held, and a line about how much was visited."""

    name: str
    holds: bool
    run: Callable[[], tuple[bool, str]]
    long: bool = False


class CannotRun(Exception):
    """Names what has to be installed."""


def output_of(*command: str, folder: str) -> str:
    """What it prints, on either stream; whether it did its work is seen from that."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return done.stdout + done.stderr


# --- Spin

def spin(model: str, *definitions: str) -> tuple[bool, str]:
    """Every interleaving of this model with these macros."""
    if not shutil.which("spin"):
        raise CannotRun("spin (Debian and Ubuntu: apt-get install spin)")
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"-D{definition}" for definition in definitions]
        generated = output_of("spin", "-a", *flags, str(HERE / model), folder=folder)
        # SAFETY: assertions only, no liveness; COLLAPSE halves the memory.
        compiled = output_of("gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c", folder=folder)
        report = output_of("./pan", "-m100000", folder=folder)
    errors = re.search(r"errors: (\d+)", report)
    states = re.search(r"(\d+) states, stored", report)
    if not errors or not states or "max search depth too small" in report:
        raise RuntimeError(f"spin did not finish:\n{generated}{compiled}{report}")
    return errors[1] == "0", f"{int(states[1]):,} states"


RING, ACTIVE = "span_ring.pml", "active_slots.pml"
POLICIES = {"overwrite": (), "drop": ("DROP",)}
RING_MUTANTS = {
    "overwrite": (
        "STEALS_A_BUSY_SLOT", "OVERTAKES_A_LATER_TICKET", "FORGETS_THE_SKIPPED", "FORGETS_THE_DISPLACED",
        "COMMITS_BEFORE_IT_WRITES", "LOOKS_ONCE", "COUNTS_WITHOUT_A_MARK", "COUNTS_SEEN_AGAIN",
    ),
    "drop": ("STEALS_A_BUSY_SLOT", "FORGETS_THE_SKIPPED", "DROPS_NOTHING", "FORGETS_THE_REFUSED"),
}


ACTIVE_MUTANTS = (
    "TAKES_NO_TURNS", "USES_A_NUMBER_AGAIN", "COMMITS_BEFORE_IT_WRITES", "GIVES_BACK_BEFORE_IT_EMPTIES", "LOOKS_ONCE",
)


def in_words(mutant: str) -> str:
    """Return the name of a macro as a phrase."""
    return mutant.lower().replace("_", " ")


def active_checks() -> Iterator[Check]:
    """The table of active spans, whose process may be killed at any step, and each broken rule."""
    yield Check("spin: active spans", True, functools.partial(spin, ACTIVE))
    yield Check("spin: active spans, killed", True, functools.partial(spin, ACTIVE, "KILL"))
    yield Check("spin: active spans, killed, longer", True,
                functools.partial(spin, ACTIVE, "KILL", "SPANS=3", "ROUNDS=2"), long=True)
    for mutant in ACTIVE_MUTANTS:
        yield Check(f"spin: active spans, {in_words(mutant)}", False, functools.partial(spin, ACTIVE, f"MUTANT_{mutant}"))


def ring_checks() -> Iterator[Check]:
    """Both policies, and each broken rule under the policy that has it."""
    for name, policy in POLICIES.items():
        yield Check(f"spin: {name}", True, functools.partial(spin, RING, *policy))
        yield Check(f"spin: {name}, a writer stalls", True, functools.partial(spin, RING, *policy, "STALL"), long=True)
        yield Check(f"spin: {name}, one slot, a writer stalls", True,
                    functools.partial(spin, RING, *policy, "STALL", "SLOTS=1"), long=True)
    for name, mutants in RING_MUTANTS.items():
        for mutant in mutants:
            check = functools.partial(spin, RING, *POLICIES[name], f"MUTANT_{mutant}")
            yield Check(f"spin: {name}, {in_words(mutant)}", False, check)


# --- relacy

@functools.cache
def relacy_program() -> str:
    """Built once a process; it takes half a minute."""
    if not RELACY_HEADER.exists() or not shutil.which("g++"):
        raise CannotRun("relacy (Debian and Ubuntu: apt-get install g++ relacy-dev)")
    folder = tempfile.TemporaryDirectory()
    compiled = output_of("g++", "-O1", "-w", "-o", "span_ring", str(HERE / "span_ring.cpp"), folder=folder.name)
    program = Path(folder.name, "span_ring")
    if not program.exists():
        raise RuntimeError(f"the model for relacy does not compile:\n{compiled}")
    _kept.append(folder)
    return str(program)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def relacy(weakened: int, iterations: int) -> tuple[bool, str]:
    """At most so many random interleavings of span_ring.cpp with this order weakened."""
    report = output_of(relacy_program(), str(iterations), str(weakened), folder=str(HERE))
    result = re.search(r"RESULT: (\w+)", report)   # its exit status says nothing
    if not result:
        raise RuntimeError(f"relacy did not finish:\n{report}")
    return result[1] == "holds", f"{iterations:,} interleavings at most"


# In the order of the enumeration in span_ring.cpp.
WEAKENED = (
    "no fence before the writer's stores", "a relaxed commit", "no fence after the reader's loads", "a relaxed first look",
    "a relaxed claim", "a busy slot stolen",
)


def relacy_checks() -> Iterator[Check]:
    """The orders of the code, and each of them weakened."""
    yield Check("relacy: the orders of the code", True, functools.partial(relacy, 0, SHORT_ITERATIONS))
    yield Check("relacy: the orders of the code, longer", True, functools.partial(relacy, 0, LONG_ITERATIONS), long=True)
    for number, order in enumerate(WEAKENED, start=1):
        yield Check(f"relacy: {order}", False, functools.partial(relacy, number, SHORT_ITERATIONS))


CHECKS = (*ring_checks(), *active_checks(), *relacy_checks())
