"""Colours under systemd: what a client at 50 requests a second sees of each kind of change."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from support.client import Story, asking
from support.colours_lab import PROXY, colours, prepare, weights
from support.server import serving
from support.target import Target, until

ERRORS = {
    "name": "errors",
    "type": "proxy",
    "measure": "error_rate",
    "interval": 1,
    "success_condition": "result <= 0.01",
}
#: What a canary of two steps asks for, in percent, and how far from it a second may be.
STEPS, TOLERANCE = (20, 50), 8.0
PAUSE = 5


@pytest.fixture
def coloured(target: Target) -> Target:
    """Return a target on one host with a proxy, on which a good version serves as a colour."""
    configure(target, "blue-green")
    prepare(target)
    target.repository.commit("good")
    first = target.deploy()
    assert first.code == 0, first.out
    return target


def configure(target: Target, strategy: str, **pace: Any) -> None:
    """Write fraises.yaml with a proxy and a strategy."""
    target.configure(
        {
            "strategy": strategy,
            "proxy": PROXY,
            "strategy_config": {"healthy_deadline": 5, **pace},
        }
    )


def changed(target: Target, behaviour: str, *options: str) -> tuple[Story, str, Callable[[], int]]:
    """Deploy a version while a client asks; return what it saw, the version and the exit code."""
    version = target.repository.commit(behaviour)
    with asking(target.hosts[0].address) as story:
        until(lambda: len(story.answers) > 20)
        done = target.deploy(*options)
        seen = len(story.answers)
        until(lambda: len(story.answers) > seen + 50)
    return story, version, lambda: done.code


@pytest.mark.parametrize("strategy", ["blue-green", "rolling", "recreate"])
def test_nobody_notices_a_good_deployment(coloured: Target, strategy: str) -> None:
    configure(coloured, strategy)
    story, version, code = changed(coloured, "good")
    assert code() == 0
    assert story.failures == [], story.text()
    assert story.versions(max(a.at for a in story.answers) - 0.5).keys() == {version}
    after = colours(coloured)
    kept = strategy == "blue-green"
    assert (after["releases"][other(after["live"])] is not None) is kept
    assert coloured.current(coloured.hosts[0]).endswith(after["releases"][after["live"]])


@pytest.mark.parametrize("behaviour", ["http500", "die"])
@pytest.mark.parametrize("strategy", ["blue-green", "canary", "rolling"])
def test_nobody_notices_a_release_that_fails_its_gate(
    coloured: Target, strategy: str, behaviour: str
) -> None:
    steps = {"canary": [{"weight": 20, "pause": PAUSE}]} if strategy == "canary" else {}
    configure(coloured, strategy, **steps)
    before = colours(coloured)
    story, version, code = changed(coloured, behaviour)
    assert code() == 5
    assert story.failures == [], story.text()
    assert story.versions()[version] == 0, "it never got a request"
    after = colours(coloured)
    assert (after["live"], after["staged"]) == (before["live"], None)
    assert coloured.inside(coloured.hosts[0], running()) == f"my-api@{after['live']}.service"


def test_a_client_sees_the_weights_of_a_canary(coloured: Target) -> None:
    steps = [{"weight": weight, "pause": PAUSE} for weight in STEPS]
    configure(coloured, "canary", canary=steps, analysis=[ERRORS])
    story, version, code = changed(coloured, "good")
    assert code() == 0
    assert story.failures == [], story.text()
    begun = min(answer.at for answer in story.answers if answer.version == version)
    for weight in STEPS:
        step = story.step(version, weight, TOLERANCE, PAUSE - 1, begun)
        assert step is not None, f"{weight} percent: {story.text()}"
        begun = step + PAUSE - 1
    assert story.part(version, max(a.at for a in story.answers) - 0.5) == 100


def test_a_canary_that_fails_its_analysis_costs_no_more_than_its_part(coloured: Target) -> None:
    weight = STEPS[0]
    configure(coloured, "canary", canary=[{"weight": weight, "pause": 20}], analysis=[ERRORS])
    story, version, code = changed(coloured, "proxied500")
    assert code() == 5
    failed = [answer.at for answer in story.failures]
    assert failed, "it got its part"
    took = max(failed) - min(failed)
    assert took < 2 * ERRORS["interval"], story.text()  # type: ignore[operator]
    assert len(failed) <= weight / 100 * 50 * (took + 0.2) * 1.3, story.text()
    assert all(version in answer.wrong for answer in story.failures), story.text()
    after = colours(coloured)
    assert after["staged"] is None
    assert weights(coloured)[other(after["live"])] == 0
    assert coloured.inside(coloured.hosts[0], running()) == f"my-api@{after['live']}.service"


def test_a_slow_canary_is_seen_by_its_latency(coloured: Target) -> None:
    slow = {**ERRORS, "name": "slow", "measure": "latency", "success_condition": "result < 0.2"}
    configure(coloured, "canary", canary=[{"weight": 20, "pause": 20}], analysis=[slow])
    story, version, code = changed(coloured, "proxied-slow")
    assert code() == 5
    assert story.failures == [], story.text()
    assert 0 < story.versions()[version] < 60, story.text()
    assert coloured.last()["status"] == "rolled_back"


def test_going_back_to_what_still_runs_takes_no_start(coloured: Target) -> None:
    before = coloured.served(coloured.hosts[0])
    coloured.repository.commit("good", {"note": "second"})
    assert coloured.deploy().code == 0
    with asking(coloured.hosts[0].address) as story:
        done = coloured.fraisier("rollback", "my_api", "production")
    assert done.code == 0, done.out
    assert story.failures == [], story.text()
    assert coloured.served(coloured.hosts[0]) == before


@pytest.mark.parametrize("strategy", ["blue-green", "canary"])
def test_a_server_killed_midway_leaves_the_live_colour_all_traffic(
    coloured: Target, strategy: str
) -> None:
    """I14: no request is lost; a canary that does badly has its part for an interval at most."""
    host, canary = coloured.hosts[0], strategy == "canary"
    live = colours(coloured)["live"]
    steps = [{"weight": 20, "pause": 60}]
    more = {"canary": steps, "analysis": [{**ERRORS, "success_condition": "result <= 1"}]}
    configure(coloured, strategy, **(more if canary else {"min_healthy_time": 4}))
    with serving(coloured.fraisier) as server, asking(host.address) as story:
        version = coloured.repository.commit("good", {"note": "second"})
        asked = server.deploy()
        staged = other(live)
        until(lambda: colours(coloured)["staged"] == staged, 60)
        if canary:
            until(lambda: weights(coloured)[staged] == steps[0]["weight"], 60)
            until(lambda: story.versions()[version] > 5)
        secret = server.secret
        server.signal(signal.SIGKILL)
        killed = time.monotonic()
        server.process.wait(60)
        until(lambda: weights(coloured)[staged] == 0, 10)
        gone = time.monotonic() - killed
        until(lambda: time.monotonic() > killed + gone + 1.0)
    last = max((a.at for a in story.answers if a.version == version), default=killed)
    assert last - killed < ERRORS["interval"] + 1.0, story.text()  # type: ignore[operator]
    assert story.failures == [], story.text()
    assert story.versions(killed + gone + 0.2)[version] == 0, "it has come back"
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


def other(colour: str) -> str:
    """Return the other of the two."""
    return "green" if colour == "blue" else "blue"


def running() -> str:
    """Return a shell command that names the units of the service that are up."""
    return "systemctl list-units --plain --no-legend --state=active 'my-api*' | cut -d' ' -f1"
