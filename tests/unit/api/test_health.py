"""The server says how it is, and nothing it should not say."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from fraisier.api import create_app
from fraisier.store import SqlStore
from support.command import Fraisier
from support.target import until


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    """Return a new store."""
    return SqlStore.open(f"sqlite:///{tmp_path / 'records.db'}")


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("part", ["", "/live", "/ready", "/database"])
def test_each_part_answers_without_a_token(store: SqlStore, prefix: str, part: str) -> None:
    answer = create_app(store).test_client().get(f"{prefix}/health{part}")
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "ok"


def test_a_database_that_is_gone_makes_it_unready_but_not_dead(
    store: SqlStore, tmp_path: Path
) -> None:
    client = create_app(store).test_client()
    store._engine.dispose()
    (tmp_path / "records.db").write_text("no database any more")
    for left in ("records.db-wal", "records.db-shm"):
        (tmp_path / left).unlink(missing_ok=True)
    for part, status in (("", 503), ("/ready", 503), ("/database", 503), ("/live", 200)):
        answer = client.get(f"/health{part}")
        assert answer.status_code == status, part
        assert str(tmp_path) not in answer.text


def test_an_error_is_problem_details(store: SqlStore) -> None:
    client = create_app(store).test_client()
    for answer, status in ((client.get("/nope"), 404), (client.post("/health"), 405)):
        assert answer.status_code == status
        assert answer.content_type == "application/problem+json"
        assert answer.get_json()["code"] in ("not_found", "method_not_allowed")


def test_no_route_but_health_is_open(store: SqlStore) -> None:
    rules = [str(rule) for rule in create_app(store).url_map.iter_rules()]
    assert rules
    assert all("/health" in rule for rule in rules)


def test_serve_answers_and_stops(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "fraises.yaml").write_text("fraises: {}\n")
    process = Fraisier(tmp_path).start("serve", "--bind", f"127.0.0.1:{port}")
    try:
        until(lambda: _status(port) == 200)
    finally:
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert f"127.0.0.1:{port}" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("bind", ["8000", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, bind: str) -> None:
    result = Fraisier(tmp_path)("serve", "--bind", bind)
    assert result.code == 2
    assert "127.0.0.1:8000" in result.err


def _status(port: int) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status if json.loads(answer.read()) else None
    except OSError:
        return None
    finally:
        connection.close()
