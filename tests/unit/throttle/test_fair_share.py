"""A budget of spans shared by their names."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanheap.throttle.fair_share import FairShare, max_min_share

pytestmark = pytest.mark.once(reason="arithmetic")


def window(shares: FairShare, budget: int, **asked: int) -> dict[str, int]:
    """Spans of these names in random order through one window; how many of each are kept."""
    names = [name for name, times in asked.items() for _ in range(times)]
    random.Random(1).shuffle(names)
    shares.begin(budget)
    return Counter(name for name in names if shares.admits(name))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 200))
def test_the_share_is_the_greatest_that_fits(asked: list[int], budget: int) -> None:
    """Against trying each one; at least 1, at most the budget."""
    fits = [share for share in range(budget + 1) if sum(min(one, share) for one in asked) <= budget]
    assert sum(min(one, max_min_share(asked, budget)) for one in asked) == sum(min(one, max(1, fits[-1])) for one in asked)


def test_rare_names_keep_all_and_chatty_ones_are_cut_alike() -> None:
    """From the second window on, when it is known what each asks for."""
    shares = FairShare()
    asked = {"chatty": 5000, "busy": 800, "some": 30, "rare": 2}
    window(shares, 232, **asked)
    assert window(shares, 232, **asked) == {"chatty": 100, "busy": 100, "some": 30, "rare": 2}


def test_the_first_window_is_fair_as_well() -> None:
    """No name gets more than half, and the budget holds."""
    kept = window(FairShare(), 100, chatty=5000, busy=5000)
    assert sum(kept.values()) <= 100 and max(kept.values()) <= 50 and min(kept.values()) >= 25


def test_the_budget_is_never_passed() -> None:
    """Also when other names come than the share was made for."""
    shares = FairShare()
    window(shares, 100, one=10)
    assert sum(window(shares, 100, **{f"new{i}": 50 for i in range(100)}).values()) == 100
    assert window(shares, 0, one=10) == {}


def test_a_budget_smaller_than_the_names_is_used() -> None:
    """One of each, until it is spent."""
    shares = FairShare()
    names = {f"name{i}": 10 for i in range(100)}
    window(shares, 10, **names)
    kept = window(shares, 10, **names)
    assert sum(kept.values()) == 10 and set(kept.values()) == {1}


def test_names_are_bounded() -> None:
    """Those past the table share one place, so that a name with an id in it costs neither memory nor the others' share."""
    shares = FairShare(max_names=3)
    names = {"a": 100, "b": 100, "c": 100} | {f"GET /{i}": 10 for i in range(1000)}
    for _ in range(3):
        shares.begin(40)
        kept = Counter(name[:3] for name, times in names.items() for _ in range(times) if shares.admits(name))
    assert kept == {"a": 10, "b": 10, "c": 10, "GET": 10}
    assert len(shares._window.asked) == 4


def test_a_window_after_a_quiet_one_begins_anew() -> None:
    """A share of long ago is not used."""
    shares = FairShare()
    window(shares, 100, chatty=1000, busy=1000)
    shares.begin(100)
    assert sum(window(shares, 100, chatty=1000, busy=1000).values()) > 60


def test_threads_do_not_pass_the_budget() -> None:
    """Many at once, with windows that turn meanwhile: each keeps at most its budget."""
    shares = FairShare()
    kept: list[int] = []
    done = threading.Event()

    def turn() -> None:
        while not done.wait(0.001):
            kept.append(0)
            shares.begin(50)

    def work(worker: int) -> None:
        for i in range(5000):
            if shares.admits(f"{worker} {i % 3}"):
                kept.append(1)

    shares.begin(50)
    turner = threading.Thread(target=turn)
    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in (turner, *workers):
        thread.start()
    for thread in workers:
        thread.join(60)
    done.set()
    turner.join(60)
    windows = 1 + kept.count(0)
    assert 0 < sum(kept) <= 50 * windows


def test_a_negative_budget_is_refused() -> None:
    """With the value."""
    with pytest.raises(ValueError, match="-1"):
        FairShare().begin(-1)
