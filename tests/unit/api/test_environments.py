"""Environments over HTTP: their hosts are asked, now and then; their settings hold no secret."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from fraisier.api import services
from fraisier.domain.deployment import Placement, Status
from fraisier.domain.event import Fact
from fraisier.domain.health import Health, Monitoring, Seen
from fraisier.domain.token import Scope
from support.fakes import PROVIDER, begin


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


def test_a_server_that_asks_too_many_already_says_try_again(
    server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "SLOW_SECONDS", 0.01)
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


def test_a_token_that_may_read_sees_no_header_and_no_query(server) -> None:
    canary = "canary-2f9c1b"
    url = f"https://api.example.com/health?key={canary}"
    headers = {"X-Api-Key": canary, "Private-Key": canary, "Authorization": canary}
    service = {
        "health_check": {"type": "http", "url": url, "headers": headers},
        "around": {"smoke": [{"url": url, "headers": headers}]},
    }
    secrets = {"header:health_check/X-Other": {"env": "OTHER"}}
    target = replace(
        server.services.catalogue.target("api", "production"), service=service, secrets=secrets
    )
    fraise = replace(server.services.catalogue.fraises["api"], targets={"production": target})
    object.__setattr__(server.services.catalogue, "fraises", {"api": fraise})
    answer = server.get("/environments/production/config", scope=Scope.READ)
    assert canary not in answer.text
    (shown,) = answer.get_json()["targets"]
    assert set(shown["service"]["health_check"]["headers"]) == set(headers)
    assert shown["secrets"] == secrets
    answer = server.post("/deployments", {"fraise": "api", "environment": "production",
                                          "dry_run": True})  # fmt: skip
    assert answer.status_code == 200
    assert canary not in answer.text


def watched(server, *answers: Health) -> None:
    """Let hosts be monitored, and record looks with these answers."""
    target = replace(
        server.services.catalogue.target("api", "production"), monitoring=Monitoring(30, 1)
    )
    fraise = replace(server.services.catalogue.fraises["api"], targets={"production": target})
    object.__setattr__(server.services.catalogue, "fraises", {"api": fraise})
    for health in answers:
        claimed = server.store.claim_check(target, 60)
        assert claimed is not None
        server.store.record_check(claimed, target, [Seen("web-1", health, "why")])
        with server.store._engine.begin() as connection:
            connection.execute(text("UPDATE target_checks SET until = 0"))


def test_what_the_looks_came_to_stands_beside_what_is_asked_now(server) -> None:
    deployed(server)
    watched(server, Health.HEALTHY, Health.UNHEALTHY)
    (target,) = server.get("/environments/production/health").get_json()["targets"]
    (host,) = target["hosts"]
    assert host["health"] == "healthy"
    told = {name: host["monitoring"][name] for name in ("health", "reason", "failures")}
    assert told == {"health": "unhealthy", "reason": "why", "failures": 1}
    (shown,) = server.get("/fraises/api/status").get_json()["targets"]
    assert shown["hosts"][0]["monitoring"] == host["monitoring"]


def test_where_nobody_looks_there_is_no_monitoring(server) -> None:
    deployed(server)
    (shown,) = server.get("/fraises/api/status").get_json()["targets"]
    assert shown["hosts"][0]["monitoring"] is None
    assert "fraisier_target_healthy{" not in server.ask("GET", "/metrics").text


def test_the_looks_are_counted_for_prometheus(server) -> None:
    deployed(server)
    watched(server, Health.HEALTHY, Health.HEALTHY, Health.UNHEALTHY)
    told = server.ask("GET", "/metrics").text
    assert 'fraisier_target_healthy{environment="production",fraise="api",host="web-1"} 0.0' in told
    checks = 'fraisier_health_checks_total{check_type="systemd",provider="bare_metal"'
    assert f'{checks},status="passed"}} 2.0' in told
    assert f'{checks},status="failed"}} 1.0' in told
    assert 'fraisier_provider_availability{provider="bare_metal"} 0.0' in told


def test_a_provider_whose_services_are_not_well_says_so_without_naming_a_host(server) -> None:
    deployed(server)
    watched(server, Health.UNHEALTHY)
    answer = server.ask("GET", "/health/providers", scope=None)
    assert answer.status_code == 503
    assert answer.get_json()["providers"]["bare_metal"] == {
        "status": "degraded", "reason": "a host of its services is not well",
    }  # fmt: skip
    assert answer.get_json()["reason"] == "not all is well with bare_metal"
    assert "web-1" not in answer.text
    assert server.ask("GET", "/health/ready", scope=None).status_code == 200


def test_a_provider_whose_playbook_has_gone_says_so_without_its_path(server) -> None:
    provider = replace(PROVIDER, playbooks={"deploy": f"{server.folder}/gone.yml"})
    object.__setattr__(server.services.catalogue, "providers", {"bare_metal": provider})
    answer = server.ask("GET", "/health/providers", scope=None)
    assert answer.status_code == 503
    assert answer.get_json()["providers"]["bare_metal"]["status"] == "failed"
    assert str(server.folder) not in answer.text
