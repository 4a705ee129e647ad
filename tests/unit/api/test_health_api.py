"""The server says how it is, and nothing it should not say."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, event

from fraisier.engine.bell import Bell
from fraisier.engine.queue import QueueWorker
from fraisier.engine.writability import TRIES
from support.fakes import joined


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("part", ["", "/live", "/ready", "/database", "/providers"])
def test_each_part_answers_without_a_token(server, prefix: str, part: str) -> None:
    answer = server.ask("GET", f"{prefix}/health{part}", scope=None)
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "ok"


def test_a_database_that_is_gone_makes_it_unready_but_not_dead(server) -> None:
    server.store._engine.dispose()
    (server.folder / "records.db").write_text("no database any more")
    for left in ("records.db-wal", "records.db-shm"):
        (server.folder / left).unlink(missing_ok=True)
    for part, status in (("", 503), ("/ready", 503), ("/database", 503), ("/live", 200)):
        answer = server.ask("GET", f"/health{part}", scope=None)
        assert answer.status_code == status, part
        assert str(server.folder) not in answer.text
    answer = server.get("/deployments")
    assert answer.status_code == 503
    assert answer.get_json()["code"] == "store_failed"
    assert answer.headers["Retry-After"]
    assert str(server.folder) not in answer.text
    assert "sqlite" not in answer.text.lower()


def test_a_server_that_stops_is_not_ready_but_still_answers(server) -> None:
    known = server.deploy()["id"]
    server.stop.drain.set()
    ready = server.ask("GET", "/health/ready", scope=None)
    assert (ready.status_code, ready.get_json()["status"]) == (503, "stopping")
    assert server.ask("GET", "/health/live", scope=None).status_code == 200
    assert server.get(f"/deployments/{known}").status_code == 200
    refused = server.post("/deployments", {"fraise": "api", "environment": "production"})
    assert (refused.status_code, refused.get_json()["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"]


def test_a_worker_in_trouble_shows(server) -> None:
    me = joined(server.store, "serve")
    worker = QueueWorker(server.services.catalogue, server.store, lambda: None, Bell(), me, 0)
    object.__setattr__(server.services, "worker", worker)
    assert server.ask("GET", "/health", scope=None).status_code == 200
    worker.trouble = "the database does not answer"
    answer = server.ask("GET", "/health", scope=None)
    assert answer.status_code == 503
    assert answer.get_json()["parts"]["worker"]["reason"] == worker.trouble
    assert answer.get_json()["reason"] == f"worker: {worker.trouble}"


def test_a_database_that_takes_no_changes_makes_it_unready_until_it_does(
    server, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one on a full disk, or a server that is no primary: it is read as ever."""
    refusing = []

    @event.listens_for(server.store._engine, "begin")
    def refuse(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if refusing else 'OFF'}")

    def asked(part: str) -> tuple[int, str]:
        answer = server.ask("GET", f"/health{part}", scope=None)
        return answer.status_code, answer.get_json()["status"]

    assert asked("") == (200, "ok")
    refusing.append(True)
    for part in ("", "/ready", "/database"):
        assert asked(part) == (503, "failed"), part
    reason = server.ask("GET", "/health", scope=None).get_json()["reason"]
    assert reason == "database: the database takes no changes"
    assert asked("/live") == (200, "ok")
    assert caplog.text.count("takes no changes") == 1
    refusing.clear()
    server.services.writability._begun.extend([float("-inf")] * TRIES)  # some seconds later
    assert asked("") == (200, "ok")
