"""Children of os.fork, multiprocessing and ProcessPoolExecutor, each with a session of its own or none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Script = Callable[[str], None]


def test_fork_workers_of_a_pool(script: Script) -> None:
    """multiprocessing.Pool: what was inherited, what was made, its own random sequence; the parent has only its own."""
    script("""
        inherited = inherit()
        context = multiprocessing.get_context("fork")
        with context.Pool(2, maxtasksperchild=1) as pool:
            reports = [pool.apply(child_report) for _ in range(3)]
            pool.close()
            pool.join()
        assert len({report["pid"] for report in reports} | {os.getpid()}) == 4
        for report in reports:
            assert report["blocks"] == inherited | {"in child": MADE}, report
            assert report["tick_threads"] == 1 and report["errors"] == 0
        first, second, third = (report["sequence"] for report in reports)
        assert not (memory.alike(first, second) or memory.alike(first, third) or memory.alike(second, third))
        assert not memory.alike(first, memory.draw())
        assert memory.report()["blocks"] == inherited and memory.report()["errors"] == 0
    """)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_that_do_not_inherit(script: Script, method: str) -> None:
    """No session until they start one, which then has nothing of the parent's."""
    script(f"""
        inherited = inherit()
        context = multiprocessing.get_context({method!r})
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(child_report).result() is None
        with ProcessPoolExecutor(1, mp_context=context, initializer=start) as pool:
            report = pool.submit(child_report).result()
        assert report["pid"] != os.getpid()
        assert report["blocks"] == {{"in child": MADE}}, report
        assert report["tick_threads"] == 1 and report["errors"] == 0
        assert memory.report()["blocks"] == inherited
    """)


def test_process_pool_executor(script: Script) -> None:
    """Its fork workers go on with the session from job to job, and what a job keeps adds up."""
    script("""
        inherited = inherit()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            pool.submit(child_report, "first").result()
            report = pool.submit(child_report, "second").result()
        assert report["blocks"] == inherited | {"first": MADE, "second": MADE}, report
        assert memory.report()["blocks"] == inherited
    """)


@pytest.mark.parametrize("leave", ["os._exit(7)", "sys.exit(7)", "raise ValueError", "os.kill(os.getpid(), 9)"])
def test_however_a_child_ends_the_parent_goes_on(script: Script, leave: str) -> None:
    """By os._exit, in an orderly way, by an exception, by a signal; with its own tick thread running."""
    codes = {"os._exit(7)": 7, "sys.exit(7)": 7, "raise ValueError": 1, "os.kill(os.getpid(), 9)": -9}
    script(f"""
        inherited = inherit()
        def body():
            assert child_report()["blocks"] == inherited | {{"in child": MADE}}
            {leave}
        for _ in range(3):
            child = multiprocessing.get_context("fork").Process(target=body)
            child.start()
            child.join()
            assert child.exitcode == {codes[leave]}, child.exitcode
        assert memory.report()["blocks"] == inherited
        assert memory.report()["tick_threads"] == 1 and memory.report()["errors"] == 0
    """)


def test_forks_inside_forks(script: Script) -> None:
    """Each generation has what all before it have made, and a tick thread of its own."""
    script("""
        inherited = inherit()
        def generation(depth):
            report = child_report(f"generation {depth}")
            return [report] + (in_child(lambda: generation(depth + 1)) if depth < 3 else [])
        reports = in_child(lambda: generation(1))
        for depth, report in enumerate(reports, 1):
            made = {f"generation {d}": MADE for d in range(1, depth + 1)}
            assert report["blocks"] == inherited | made, report
            assert report["tick_threads"] == 1 and report["errors"] == 0
        assert memory.report()["blocks"] == inherited
    """)


def test_a_fork_from_another_thread(script: Script) -> None:
    """The thread that forks is the child's only one; its current span goes on, and ends in the child alone."""
    script("""
        inherited = inherit()
        answers = []
        def work():
            with trace.get_tracer("t").start_as_current_span("request"):
                def body():
                    kept = memory.make(MADE)
                    return child_report("inner"), len(kept)
                answers.append(in_child(body)[0])
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        # The root of "inner" is the request that was current at the fork.
        assert answers[0]["blocks"] == inherited | {"request": 2 * MADE}, answers
        assert answers[0]["tick_threads"] == 1 and answers[0]["errors"] == 0
        assert memory.report()["blocks"] == inherited
    """)


@pytest.mark.no_sanitizer(reason="its allocator's locks do not survive a fork while other threads allocate")
def test_forks_while_another_thread_takes_snapshots_and_dumps(script: Script) -> None:
    """At whatever moment of a snapshot or a dump: the child's figures are right, and it can do both itself."""
    script("""
        inherited = inherit(tick=0.01)
        done = threading.Event()
        with TemporaryDirectory() as folder:
            def observe():
                while not done.is_set():
                    spanheap.current().snapshot()
                    spanheap.current().dump(Path(folder, "of {pid}"))
            thread = threading.Thread(target=observe)
            thread.start()
            def body():
                report = child_report()
                path = spanheap.current().dump(Path(folder, "of {pid}"))
                dump = spanheap.open_dump(path)
                assert path.name == f"of {os.getpid()}" and dump.metadata["process.pid"] == str(os.getpid())
                spanheap.current().shutdown()
                return report
            try:
                for _ in range(15):
                    report = in_child(body)
                    assert report["blocks"] == inherited | {"in child": MADE}, report
                    assert report["errors"] == 0
            finally:
                done.set()
                thread.join()
            assert len(os.listdir(folder)) >= 16
        assert memory.report()["blocks"] == inherited and memory.report()["errors"] == 0
    """)
