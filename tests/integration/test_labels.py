"""Labels: memory told apart by what the application says of its work."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import spanheap

BLOCK = 50_000


def by_label(session: spanheap.Session, key: str) -> dict[str, int]:
    """Return how many blocks are live under each value of this label."""
    return {u.name: round(u.live_bytes) // BLOCK for u in session.snapshot().by_label(key) if u.live_bytes >= BLOCK}


def test_blocks_carry_the_labels_of_the_scope_they_are_made_in(every_byte: spanheap.Session) -> None:
    """Inner scopes add to outer ones and override them; what is made outside has none."""
    kept = [bytes(BLOCK)]
    with spanheap.labels(tenant="acme", job="import"):
        kept.append(bytes(BLOCK))
        with spanheap.labels(tenant="globex"):
            kept += [bytes(BLOCK), bytes(BLOCK)]
        kept.append(bytes(BLOCK))
    kept.append(bytes(BLOCK))
    assert by_label(every_byte, "tenant") == {"acme": 2, "globex": 2}
    assert by_label(every_byte, "job") == {"import": 4}
    assert by_label(every_byte, "nobody's") == {}
    del kept[2:4]
    assert by_label(every_byte, "tenant") == {"acme": 2}


def test_labels_follow_tasks_across_await_and_into_copied_contexts(every_byte: spanheap.Session) -> None:
    """Interleaved tasks keep their own; to_thread and copied contexts take them along, bare threads do not."""
    kept: list[bytes] = []

    async def work(tenant: str) -> None:
        with spanheap.labels(tenant=tenant):
            for _ in range(3):
                kept.append(bytes(BLOCK))
                await asyncio.sleep(0)
            await asyncio.create_task(child())
            await asyncio.to_thread(lambda: kept.append(bytes(BLOCK)))

    async def child() -> None:
        kept.append(bytes(BLOCK))

    async def main() -> None:
        await asyncio.gather(*(work(f"tenant {i}") for i in range(5)))

    asyncio.run(main())
    assert by_label(every_byte, "tenant") == {f"tenant {i}": 5 for i in range(5)}
    with spanheap.labels(tenant="copied"), ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: kept.append(bytes(BLOCK))).result()
        pool.submit(contextvars.copy_context().run, lambda: kept.append(bytes(BLOCK))).result()
    assert by_label(every_byte, "tenant")["copied"] == 1


def test_a_scope_may_be_entered_again_and_by_several_threads(every_byte: spanheap.Session) -> None:
    """One object, entered twice on a thread and at the same time on others, always gives back what was before."""
    scope, kept = spanheap.labels(tenant="again"), []
    barrier = threading.Barrier(4)

    def work() -> None:
        for _ in range(20):
            with scope, scope:
                barrier.wait(10)
                kept.append(bytes(BLOCK))
            kept.append(bytes(BLOCK))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 160
    assert by_label(every_byte, "tenant") == {"again": 80}


def test_a_generator_that_ends_elsewhere_leaves_the_labels_there_alone(every_byte: spanheap.Session) -> None:
    """Its scope ends in another context than it began in: whose labels those are does not change."""
    def steps() -> Iterator[None]:
        with spanheap.labels(tenant="generator"):
            yield

    kept, generator = [], steps()
    contextvars.copy_context().run(next, generator)
    with spanheap.labels(tenant="mine"):
        generator.close()
        kept.append(bytes(BLOCK))
    assert by_label(every_byte, "tenant") == {"mine": 1}


def test_labels_from_before_the_session_count(script) -> None:  # type: ignore[no-untyped-def]
    """The scope may be the outer one, and sessions may come and go in it."""
    assert script("""
        import spanheap
        with spanheap.labels(tenant="early"):
            for _ in range(3):
                with spanheap.profile(sample_interval=1, max_samples=100_000, tick=None) as session:
                    kept = bytes(100_000)
                    [usage] = session.snapshot().by_label("tenant")
                    assert usage.name == "early" and usage.live_bytes >= 100_000
                    assert spanheap._core.valid()
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=None) as session:
            assert session.stats().labels == 0, session.stats().labels
        print("fine")
    """) == "fine\n"


def test_values_are_bounded_and_counted(every_byte: spanheap.Session) -> None:
    """4,096 sets at a time, 256 of them for "<other>", and room comes back when memory and scopes are gone."""
    kept: dict[str, bytes] = {}
    for i in range(4_200):
        with spanheap.labels(request=f"number {i}"):
            kept[f"number {i}"] = bytes(1_000)
    stats = every_byte.stats()
    assert stats.labels == 4_096 - 256 + 1 and stats.labels_overflowed == 4_200 - (4_096 - 256)
    usages = {u.name: u.live_bytes for u in every_byte.snapshot().by_label("request")}
    assert usages["<other>"] > 100_000 and usages["number 5"] > 1_000 and "number 4199" not in usages
    assert spanheap._core.valid()
    kept.clear()
    every_byte.force_flush()
    with spanheap.labels(request="again"):
        block = bytes(BLOCK)
    assert by_label(every_byte, "request") == {"again": 1}
    del block


def test_more_keys_than_there_is_room_for_are_left_out(script) -> None:  # type: ignore[no-untyped-def]
    """The 65th key of a process is counted, not kept; the others go on."""
    assert script("""
        import spanheap
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=None) as session:
            with spanheap.labels(**{f"key{i:02}": f"value {i}" for i in range(64)}):
                kept = bytes(100_000)
            with spanheap.labels(one_more="?", key00="0"):
                more = bytes(100_000)
            snapshot, stats = session.snapshot(), session.stats()
            assert stats.labels_overflowed == 1
            for i in range(1, 64):
                [usage] = snapshot.by_label(f"key{i:02}")
                assert usage.name == f"value {i}" and 100_000 < usage.live_bytes < 110_000
            assert {u.name for u in snapshot.by_label("key00")} == {"value 0", "0"}
            assert snapshot.by_label("one_more") == []
        print("fine")
    """) == "fine\n"


def test_dumps_and_arrays_say_the_labels(every_byte: spanheap.Session, tmp_path: Path) -> None:
    """What a snapshot knows is in the dump, text beyond ASCII and long values (cut between characters) too."""
    long = "ü" * 50
    with spanheap.labels(tenant=long, job="a=b;c"):
        kept = bytes(BLOCK)
    dump = spanheap.open_dump(every_byte.dump(tmp_path))
    assert {u.name for u in dump.by_label("tenant")} == {"ü" * 32} and {u.name for u in dump.by_label("job")} == {"a=b;c"}
    labels = [r["labels"] for r in every_byte.snapshot().to_numpy() if r["size"] >= BLOCK and r["labels"]]
    assert labels == [{"job": "a=b;c", "tenant": "ü" * 32}]
    del kept


def test_wrong_labels_are_refused_by_name() -> None:
    """Misuse is told at once, with the value and what would be right."""
    with pytest.raises(TypeError, match=r"tenant must be a str, not 5"):
        spanheap.labels(tenant=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="trace_id"):
        spanheap.labels(trace_id="x")
    with pytest.raises(ValueError, match="1 to 40 bytes"):
        spanheap.labels(**{"k" * 41: "x"})
    with pytest.raises(ValueError, match="1 to 40 bytes"):
        spanheap.labels(**{"": "x"})
