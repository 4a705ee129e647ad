"""Environments over HTTP: their hosts are asked, now and then; their settings hold no secret."""

from __future__ import annotations

import pytest

from fraisier.domain.deployment import Placement, Status
from fraisier.domain.event import Fact
from support.fakes import begin


def deployed(server) -> None:
    """Let the records know that something is deployed."""
    begun = begin(server.store, server.deploy()["id"])
    placed = [Placement("web-1", 1, "r1", "v1", True, 1)]
    server.store.record(begun, [Fact("log.line", None, {"text": "x"})], found=placed)
    server.store.finish(begun, Status.SUCCESS, "")


def test_the_hosts_are_really_asked_and_a_hundred_requests_are_one_look(server) -> None:
    deployed(server)
    answers = [server.get("/environments/production/health") for _ in range(100)]
    assert {answer.status_code for answer in answers} == {200}
    assert [work.verb for work in server.runner.works] == ["verify"]
    (host,) = answers[0].get_json()["targets"][0]["hosts"]
    assert (host["host"], host["health"], host["reason"]) == ("web-1", "healthy", None)
    assert host["checked_at"]


def test_a_host_that_is_not_well_says_so(server) -> None:
    deployed(server)
    server.runner.unwell = {"web-1"}
    found = server.get("/environments/production/health").get_json()
    assert (found["health"], found["targets"][0]["health"]) == ("unhealthy", "unhealthy")
    assert found["targets"][0]["hosts"][0]["reason"] == "health check failed"


def test_a_server_that_asks_too_many_already_says_try_again(server) -> None:
    deployed(server)
    while server.services._slow.acquire(blocking=False):
        pass
    answer = server.get("/environments/production/health")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert not server.runner.works


@pytest.mark.parametrize("part", ["", "/config", "/health"])
def test_an_environment_that_does_not_exist_is_not_found(server, part: str) -> None:
    answer = server.get(f"/environments/nowhere{part}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "environment_not_found")
    assert not server.runner.works


def test_the_configuration_is_shown_without_paths_of_the_server(server) -> None:
    found = server.get("/environments/production/config").get_json()
    (target,) = found["targets"]
    assert (target["fraise"], target["strategy"]) == ("api", "rolling")
    assert target["repository"] == "the repository"
