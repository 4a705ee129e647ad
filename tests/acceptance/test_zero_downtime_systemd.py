"""Zero downtime under systemd: what a client at 50 requests a second sees of each strategy.

tests/acceptance/test_canary_pauses.py has the canaries.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fraisier.lab import Lab
from support.client import Story, asking
from support.colours_lab import (
    PROXY,
    Reused,
    colours,
    enabled,
    give_proxy,
    other,
    reused,
    running,
    weights,
)
from support.server import serving
from support.target import Target, served, until


@pytest.fixture(scope="module")
def shared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reused]:
    """Return a target for all tests of this file."""
    with reused(lab, tmp_path_factory.mktemp("zero-downtime"), begin) as found:
        yield found


@pytest.fixture
def coloured(shared: Reused) -> Target:
    """Return a target on one host, on which a good release has all traffic."""
    return shared.ready()


def begin(target: Target) -> None:
    """Give the host a proxy, and deploy a first release."""
    configure(target, "blue-green")
    give_proxy(target)
    target.repository.commit("good")
    first = target.deploy()
    assert first.code == 0, first.said


def configure(target: Target, strategy: str, **pace: Any) -> None:
    """Write fraises.yaml with a proxy and a strategy."""
    target.configure(
        {
            "strategy": strategy,
            "proxy": PROXY,
            "strategy_config": {"healthy_deadline": 5, **pace},
        }
    )


@pytest.mark.parametrize(
    ("strategy", "bad"),
    [("blue-green", "http500"), ("rolling", "http500"), ("recreate", "die")],
)
def test_a_client_loses_no_request_to_a_good_release_a_bad_one_or_a_rollback(
    coloured: Target, strategy: str, bad: str
) -> None:
    """The bad release fails its health check, and so never gets a request."""
    configure(coloured, strategy)
    host, old = coloured.hosts[0], coloured.served(coloured.hosts[0])
    assert old is not None
    with asking(host.address) as story:
        until(lambda: len(story.answers) > 20)
        good = deploy_good(coloured, story, keeps_old=strategy == "blue-green")
        deploy_bad(coloured, bad)
    assert story.failures == [], story.text()
    assert story.versions().keys() == {old, good}, story.text()
    if strategy == "blue-green":
        kill_proxy(coloured, good)
    with asking(host.address) as story:
        back = coloured.fraisier("rollback", "my_api", "production")
        assert back.code == 0, back.said
        until(lambda: story.settled_on(old))
    assert story.failures == [], story.text()
    assert coloured.served(host) == old


def deploy_good(target: Target, story: Story, keeps_old: bool) -> str:
    """Deploy a good version; the client sees it, and its release is the one that is recorded."""
    before = colours(target)["live"]
    version = target.repository.commit("good", {"note": f"{time.time()}"})
    done = target.deploy()
    assert done.code == 0, done.said
    until(lambda: story.settled_on(version))
    after = colours(target)
    live = after["live"]
    assert live == other(before)
    assert (after["releases"][before] is not None) is keeps_old, "the old one waits, or is stopped"
    assert target.current(target.hosts[0]).endswith(after["releases"][live])
    assert enabled(target) == running(target), "what was promoted starts with the system"
    assert f"my-api@{live}.service" in running(target)
    assert len(running(target)) == (2 if keeps_old else 1)
    return version


def deploy_bad(target: Target, behaviour: str) -> None:
    """Deploy a version that fails its health check; it is stopped, and nothing else changes."""
    before = colours(target)
    target.repository.commit(behaviour, {"note": f"{time.time()}"})
    failed = target.deploy()
    assert failed.code == 5, failed.said
    after = colours(target)
    assert (after["live"], after["staged"]) == (before["live"], None)
    assert running(target) == [f"my-api@{after['live']}.service"]


def kill_proxy(target: Target, version: str) -> None:
    """Kill the proxy: it starts again with the weights that it had."""
    before = weights(target)
    assert before == {"blue": 0, "green": 100}, "not what a new proxy would begin with"
    target.inside(target.hosts[0], "systemctl kill --signal=KILL fraisier-proxy")
    until(lambda: served(target.hosts[0].address) == version, 60)
    assert weights(target) == before


@pytest.mark.slow
def test_a_server_killed_midway_leaves_the_live_slot_all_traffic(coloured: Target) -> None:
    """I14: no request is lost; test_canary_pauses.py kills one in the middle of a canary."""
    host = coloured.hosts[0]
    live = colours(coloured)["live"]
    staged = other(live)
    configure(coloured, "blue-green", min_healthy_time=4)
    with serving(coloured.fraisier, executed=True) as server, asking(host.address) as story:
        version = coloured.repository.commit("good", {"note": "killed"})
        asked = server.deploy()
        until(lambda: colours(coloured)["staged"] == staged, 60)
        secret = server.secret
        server.signal(signal.SIGKILL)
        server.process.wait(60)
        until(lambda: weights(coloured)[staged] == 0, 60)
        seen = len(story.answers)
        until(lambda: len(story.answers) > seen + 300, 120)  # longer than min_healthy_time
    assert story.failures == [], story.text()
    assert story.versions()[version] == 0, "it never got a request"
    with serving(coloured.fraisier, secret=secret) as server:
        ended = server.ended(asked)
        assert ended["status"] in ("interrupted", "rolled_back", "failed"), ended["reason"]
    assert weights(coloured) == {live: 100, staged: 0}
    held = coloured.fraisier("unlock", "my_api", "production", "--reason", "seen")
    assert held.code in (0, 1, 8)
    configure(coloured, "blue-green")
    third = coloured.repository.commit("good", {"note": "third"})
    assert coloured.deploy().code == 0
    assert coloured.served(host) == third
