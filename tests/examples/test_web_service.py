"""The web service: starts once for an id, shows what came of it, and forgets nothing that it accepted."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples.conftest import EXAMPLES

httpx = pytest.importorskip("httpx")
testclient = pytest.importorskip("starlette.testclient")

ORDER = {"id": "o-1", "item": "lamp"}
DONE = {"id": "o-1", "status": "completed", "result": "parcel with lamp"}


@pytest.fixture(scope="module")
def service() -> Any:
    """A function of the path of a database that makes the web application."""
    return runpy.run_path(str(EXAMPLES / "web_service.py"))["service"]


@pytest.fixture
def client(service: Any, tmp_path: Path) -> Iterator[Any]:
    with testclient.TestClient(service(str(tmp_path / "w.db"))) as client:
        yield client


def finished(client: Any, id: str) -> Any:
    until = time.monotonic() + 60
    while (shown := client.get(f"/orders/{id}").json())["status"] != "completed":
        assert time.monotonic() < until, shown
    return shown


def test_an_order_is_accepted_and_its_result_shown(client: Any) -> None:
    accepted = client.post("/orders", json=ORDER)
    assert accepted.status_code == 202 and accepted.json()["id"] == "o-1"
    assert finished(client, "o-1") == DONE


def test_the_same_order_is_started_once_and_another_under_its_id_refused(client: Any) -> None:
    assert [client.post("/orders", json=ORDER).status_code for _ in range(3)] == [202, 202, 202]
    refused = client.post("/orders", json={"id": "o-1", "item": "book"})
    assert refused.status_code == 409 and "'o-1' exists already" in refused.json()["error"]
    assert finished(client, "o-1") == DONE


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"id": "o-1"}', b'{"id": "", "item": "lamp"}', b"\xff\xfe"])
def test_what_is_no_order_is_a_clear_400(client: Any, body: bytes) -> None:
    refused = client.post("/orders", content=body)
    assert refused.status_code == 400 and refused.json() == {"error": 'send {"id": …, "item": …}'}


def test_an_order_that_nobody_made_is_a_404(client: Any) -> None:
    missing = client.get("/orders/o-9")
    assert missing.status_code == 404 and "no instance 'o-9'" in missing.json()["error"]


def test_the_lifespan_opens_and_closes_the_database(service: Any, tmp_path: Path) -> None:
    for _ in range(2):
        with testclient.TestClient(service(str(tmp_path / "w.db"))) as client:
            client.post("/orders", json=ORDER)
            assert finished(client, "o-1") == DONE
        assert [path.name for path in tmp_path.iterdir()] == ["w.db"]


def test_a_killed_service_has_what_it_accepted_after_its_next_start(
    begin: Callable[..., subprocess.Popen[str]],
) -> None:
    process = begin("web_service", "w.db", 0)
    address = listening(process)
    orders = [{"id": f"o-{number}", "item": f"item {number}"} for number in range(20)]
    assert [httpx.post(f"{address}/orders", json=each).status_code for each in orders] == [202] * 20
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    again = begin("web_service", "w.db", 0)
    with httpx.Client(base_url=listening(again)) as client:
        for each in orders:
            assert finished(client, each["id"])["result"] == f"parcel with {each['item']}"
    again.send_signal(signal.SIGTERM)
    again.wait(timeout=60)
    assert again.stdout is not None
    assert "Application shutdown complete" in again.stdout.read()


def listening(process: subprocess.Popen[str]) -> str:
    """The address that a service says it listens at."""
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(line)
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found:
            return found[0]
    raise AssertionError("".join(told))
