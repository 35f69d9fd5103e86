"""The shop, as its clients see it, and what its workers have to say of themselves."""

from __future__ import annotations

import contextlib
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import spanheap
from tests.processes import memory, shop
from tests.processes.background import TIMEOUT, Background

WORKERS = 2
# Both accept: with fewer requests at a time the kernel may give them all to one.
CONNECTIONS = 4


class Client:
    """The running service."""

    def __init__(self, process: Background, address: tuple[str, int]) -> None:
        self.process = process
        self._address = address

    def get(self, path: str) -> dict[str, Any]:
        """One request, on a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection(*self._address, timeout=TIMEOUT)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        assert response.status == 200, f"{path}: {response.status} {body!r}\n{self.process.log()}"
        answer: dict[str, Any] = json.loads(body)
        return answer

    def ask_all(self, path: str) -> dict[int, dict[str, Any]]:
        """The last answer of each of the workers, by pid."""
        answers: dict[int, dict[str, Any]] = {}

        def probe() -> dict[int, dict[str, Any]] | None:
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                answers.update((answer["pid"], answer) for answer in pool.map(self.get, [path] * CONNECTIONS))
            return answers if len(answers) == WORKERS else None

        return self.process.wait_for(f"an answer of {WORKERS} workers to {path}", probe)


def check_report(report: dict[str, Any], inherited: dict[str, int]) -> None:
    """The worker's own requests, and what it has inherited, under the names of their root spans."""
    kept = {"GET /keep": shop.KEPT_A_REQUEST * report["requests"]} if report["requests"] else {}
    assert report["blocks"] == inherited | kept
    for name, blocks in report["blocks"].items():
        # A dozen samples of small objects: the span's own state.
        assert abs(report["by_root_name"][name] - blocks * memory.BLOCK) < 12 * memory.INTERVAL + 100 * blocks
    assert report["tick_threads"] == 1
    assert report["errors"] == 0


def check_dumps(service: Client, folder: Path) -> dict[int, str | None]:
    """Each worker writes its own file, which says whose it is. Returns the names of the instances, by pid."""
    answers = service.ask_all("/dump")
    for pid, answer in answers.items():
        assert answer["path"] == str(folder / f"heap-{pid}.pb.gz")
        dump = spanheap.open_dump(answer["path"])
        assert dump.metadata["process.pid"] == str(pid)
        assert dump.metadata["service.name"] == "shop"
        assert dump.metadata.get("service.instance.id") == answer["instance"]
        assert any(usage.name == "GET /keep" for usage in dump.by_root_name())
    return {pid: answer["instance"] for pid, answer in answers.items()}
