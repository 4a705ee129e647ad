"""The queue over HTTP: looked at, paused and resumed, as it is described."""

from __future__ import annotations

from typing import Any

import pytest

from fraisier.domain.token import Scope
from fraisier.domain.worker import NewWorker
from support.fakes import begin, make_target
from support.openapi import check


def described(server, path: str, method: str = "get") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the OpenAPI document and the shape of an operation's good answer."""
    document = server.ask("GET", "/api/v1/openapi.json", scope=None).get_json()
    answer = document["paths"][f"/api/v1{path}"][method]["responses"]["200"]
    return document, answer["content"]["application/json"]["schema"]


def queue(server) -> dict[str, Any]:
    """Return the queue, once it was seen to be as described."""
    answer = server.get("/queue", scope=Scope.READ)
    assert answer.status_code == 200, answer.text
    check(*described(server, "/queue"), answer.get_json())
    found: dict[str, Any] = answer.get_json()
    return found


def test_an_idle_queue_is_empty(server) -> None:
    assert queue(server) == {
        "paused": None, "queued": 0, "waiting": [], "running": [], "workers": [],
    }  # fmt: skip


def test_what_runs_where_and_what_waits_for_it_is_shown(server) -> None:
    running, first, second = (server.deploy(version=v)["id"] for v in ("v1", "v2", "v3"))
    begin(server.store, running)
    found = queue(server)
    (shown,) = found["running"]
    (worker,) = found["workers"]
    assert (shown["id"], shown["worker"]["id"]) == (running, worker["id"])
    assert worker["alive"]
    assert worker["running"] == [running]
    assert [each["id"] for each in found["waiting"]] == [first, second]
    assert [each["position"] for each in found["waiting"]] == [1, 2]
    assert found["waiting"][0]["blocked_by"] == running
    assert running in found["waiting"][0]["waiting_for"]
    assert found["queued"] == 2


def test_a_pause_is_shown_with_who_and_why_and_nothing_begins(server) -> None:
    waiting = server.deploy()["id"]
    paused = server.post("/queue/pause", {"reason": "the database moves"})
    check(*described(server, "/queue/pause", "post"), paused.get_json())
    assert paused.get_json()["by"] == server.ids[Scope.ADMIN]
    found = queue(server)
    assert found["paused"] == paused.get_json()
    assert "the database moves" in found["waiting"][0]["waiting_for"]
    worker = server.store.join(NewWorker("w", "worker", {}, 1), 30.0)
    assert server.store.claim_next(worker, lambda _target: True) is None
    over = server.post("/queue/resume", {})
    assert (over.status_code, over.get_json()) == (200, paused.get_json())
    claimed = server.store.claim_next(worker, lambda _target: True)
    assert claimed is not None
    assert claimed.id == waiting


def test_a_resume_wakes_the_workers_and_needs_a_pause(server) -> None:
    rung: list[bool] = []
    object.__setattr__(server.services, "ring", lambda: rung.append(True))
    refused = server.post("/queue/resume", {})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "refused")
    assert not rung
    server.post("/queue/pause", {"reason": "x"})
    assert server.ask("POST", "/api/v1/queue/resume").status_code == 200
    assert rung


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x", "more": 1}, {"reason": 1}])
def test_a_pause_without_a_reason_is_refused(server, body: dict[str, Any]) -> None:
    assert server.post("/queue/pause", body).status_code == 422
    assert queue(server)["paused"] is None


def test_workers_are_listed_with_their_labels(server) -> None:
    labels = {"region": "eu", "network": "dmz"}
    joined = server.store.join(NewWorker("one", "worker", labels, 3), 30.0)
    answer = server.get("/workers", scope=Scope.READ)
    check(*described(server, "/workers"), answer.get_json())
    (worker,) = answer.get_json()["workers"]
    assert (worker["id"], worker["name"], worker["at_once"]) == (joined, "one", 3)
    assert (worker["labels"], worker["running"], worker["alive"]) == (labels, [], True)


def test_health_and_metrics_tell_of_nats_only_where_it_is_used(server) -> None:
    def metrics() -> str:
        return str(server.ask("GET", "/metrics").text)

    assert server.ask("GET", "/health", scope=None).get_json()["parts"]["nats"]["status"] == "off"
    assert "fraisier_nats_connected" not in metrics()
    for trouble, status, code in (("", "ok", 200), ("no route to it", "degraded", 503)):
        object.__setattr__(server.services, "nats", lambda trouble=trouble: trouble)
        whole = server.ask("GET", "/health", scope=None)
        assert (whole.status_code, whole.get_json()["status"]) == (200, "ok")
        part = whole.get_json()["parts"]["nats"]
        assert (part["status"], part.get("reason", "")) == (status, trouble)
        assert server.ask("GET", "/health/nats", scope=None).status_code == code
        assert f"fraisier_nats_connected {float(not trouble)}\n" in metrics()


def test_metrics_count_who_works_and_show_a_pause(server) -> None:
    server.store.join(NewWorker("one", "worker", {}, 1), 30.0)
    server.store.join(NewWorker("two", "worker", {}, 1), 30.0)
    text = server.ask("GET", "/metrics").text
    assert 'fraisier_workers{kind="worker"} 2.0\n' in text
    assert 'fraisier_workers{kind="serve"} 0.0\n' in text
    assert "fraisier_queue_paused 0.0\n" in text
    server.post("/queue/pause", {"reason": "x"})
    assert "fraisier_queue_paused 1.0\n" in server.ask("GET", "/metrics").text


def test_a_target_says_its_network() -> None:
    assert make_target(network="dmz").network == "dmz"
