"""How what is deployed is: asked of a real host, looked at by itself, and told when it changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
import yaml
from standardwebhooks import Webhook

from support.polling import poll
from support.receiving import OK, Listening, listening, saying
from support.server import Server, serving
from support.target import Target

KEY = "whsec_" + "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
#: How long a change may take to be seen: two looks, on a machine that has much else to do.
SEEN_SECONDS = 240


@pytest.fixture
def receiver() -> Iterator[Listening]:
    """Return a receiver of webhooks."""
    with listening(saying(OK)) as server:
        yield server


def configure(target: Target, receiver: Listening) -> None:
    """Let the target be looked at, and a receiver be told of what becomes of its health."""
    target.configure({"monitoring": {"interval": 5, "failure_threshold": 1}})
    file = target.folder / "fraises.yaml"
    document = yaml.safe_load(file.read_text())
    hook = {"name": "hook", "url": receiver.url(), "secret": {"env": "HOOK_SECRET"}}
    document["webhooks"] = [{**hook, "events": ["health_check.*", "metrics.service"]}]
    file.write_text(yaml.safe_dump(document))
    settings = {"HOOK_SECRET": KEY, "FRAISIER_ALLOWED_NETWORKS": "127.0.0.0/8"}
    target.fraisier = replace(target.fraisier, environment=settings)


def asked(server: Server) -> dict[str, Any]:
    """Return what the host answers when it is asked."""
    answer = server.send("GET", "/environments/production/health")
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["targets"]
    (host,) = found["hosts"]
    return dict(host)


def monitored(server: Server) -> dict[str, Any]:
    """Return what the looks at the host came to."""
    answer = server.send("GET", "/fraises/my_api/status")
    (found,) = answer.json()["targets"]
    return dict(found["hosts"][0]["monitoring"] or {"health": "not looked at"})


def told(receiver: Listening) -> list[tuple[str, bool]]:
    """Return which changes were told outside of deployments, and whether each is good news."""
    alone = [each for each in posted(receiver) if each["event"] != "metrics.service"]
    return [(each["event"], each["data"]["data"]["passed"]) for each in alone]


def counted(receiver: Listening) -> list[tuple[int, int]]:
    """Return each change of how many hosts there are and how many of them are well."""
    metrics = [each for each in posted(receiver) if each["event"] == "metrics.service"]
    found = [each["data"]["data"] for each in metrics]
    return [(data["hosts"], data["healthy"]) for data in found]


def posted(receiver: Listening) -> list[dict[str, Any]]:
    """Return what the receiver was told of outside of deployments."""
    bodies = [Webhook(KEY).verify(got.body, got.headers) for got in receiver.got]
    return [body for body in bodies if body["deployment_id"] is None]


@pytest.mark.cpu_seconds(60, reason="while it waits, the server looks at the host every 5 seconds")
def test_what_becomes_of_a_service_is_seen_and_told(target: Target, receiver: Listening) -> None:
    target.repository.commit("good")
    configure(target, receiver)
    with serving(target.fraisier) as server:
        assert asked(server)["reason"] == "nothing was deployed here yet"
        ended = server.ended(server.deploy(), 120)
        assert ended["status"] == "success", ended["reason"]
        poll(lambda: monitored(server)["health"] == "healthy", SEEN_SECONDS)
        poll(lambda: asked(server)["health"] == "healthy", SEEN_SECONDS)
        assert told(receiver) == [], "to be well from the beginning is no news"
        check_that_a_deployment_is_not_looked_into(target, receiver, server)
        check_that_a_service_that_stops_is_told_and_that_it_is_well_again(target, receiver, server)
        check_that_a_host_that_cannot_be_reached_is_unknown(target, receiver, server)


def check_that_a_deployment_is_not_looked_into(
    target: Target, receiver: Listening, server: Server
) -> None:
    """What a deployment breaks and mends is its own story."""
    target.repository.commit("http500")
    ended = server.ended(server.deploy(), 120)
    assert ended["status"] == "rolled_back", ended["reason"]
    assert told(receiver) == []


def check_that_a_service_that_stops_is_told_and_that_it_is_well_again(
    target: Target, receiver: Listening, server: Server
) -> None:
    host = target.hosts[0]
    target.inside(host, "systemctl stop my-api")
    poll(lambda: monitored(server)["health"] == "unhealthy", SEEN_SECONDS)
    poll(lambda: asked(server)["health"] == "unhealthy", SEEN_SECONDS)
    assert "my-api.service" in monitored(server)["reason"]
    poll(lambda: told(receiver) == [("health_check.failed", False)], SEEN_SECONDS)
    assert requests.get(f"{server.url}/health/providers", timeout=30).status_code == 503
    shown = target.fraisier("status", "my_api", "production")
    assert "unhealthy" in shown.out, shown.said

    target.inside(host, "systemctl start my-api")
    poll(lambda: monitored(server)["health"] == "healthy", SEEN_SECONDS)
    poll(lambda: len(told(receiver)) == 2, SEEN_SECONDS)
    poll(lambda: asked(server)["health"] == "healthy", SEEN_SECONDS)
    assert told(receiver)[1] == ("health_check.passed", True)
    poll(lambda: counted(receiver) == [(1, 1), (1, 0), (1, 1)], SEEN_SECONDS)


def check_that_a_host_that_cannot_be_reached_is_unknown(
    target: Target, receiver: Listening, server: Server
) -> None:
    host = target.hosts[0]
    target.inside(host, "mv /home/deploy/.ssh /home/deploy/.ssh-away")
    try:
        poll(lambda: monitored(server)["health"] == "unknown", SEEN_SECONDS)
        poll(lambda: told(receiver)[2:] == [("health_check.failed", False)], SEEN_SECONDS)
    finally:
        target.inside(host, "mv /home/deploy/.ssh-away /home/deploy/.ssh")
    poll(lambda: monitored(server)["health"] == "healthy", SEEN_SECONDS)
