"""The mutants (tests/mutants) fit the code as it is; in the long checks, each is built, and its tests fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.catalogue import BUG_CLASSES, MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.workshop import CHECKOUT, Verdict, Workshop

each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])


@each_mutant
def test_what_a_mutant_replaces_is_in_the_code_once(mutant: Mutant) -> None:
    """A mutant that no longer fits would prove nothing; it says what it was looking for."""
    assert mutant.mutated(CHECKOUT) != (CHECKOUT / mutant.file).read_text()


def test_every_bug_class_has_a_mutant() -> None:
    """And no two mutants have one name."""
    assert {mutant.bug_class for mutant in MUTANTS} == set(BUG_CLASSES)
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.once(reason="it reads sources")
def test_the_tests_that_mutants_name_exist() -> None:
    """Each node id is found by pytest."""
    tests = sorted({test for mutant in MUTANTS for test in mutant.tests})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", *tests], cwd=CHECKOUT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout
    assert set(tests) <= set(done.stdout.splitlines())


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A place to build in; the tests pass on the code as it is."""
    made = Workshop(Path(tmp_path_factory.mktemp("mutants")))
    failure = made.unmutated_failure(MUTANTS)
    assert failure is None, failure
    return made


@pytest.mark.long
@pytest.mark.needs("cc", "gcc")
def test_a_mutant_is_killed(workshop: Workshop, built_mutant: str) -> None:
    """Each of its tests fails on a build that has the bug."""
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == built_mutant]
    outcome = workshop.judge(mutant)
    assert outcome.verdict is Verdict.KILLED, outcome.details
