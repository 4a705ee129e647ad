"""Containers behind a proxy: what a client at 50 requests a second sees when all goes wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fraisier import lab as labs
from support.client import asking
from support.colours_lab import weights
from support.compose_hosts import PORT, Hosts, give_base_image, give_proxy
from support.server import serving
from support.target import until

DRAIN = 5
LOCAL = {"app_port": 8000, "port": 80, "health_path": "/health", "drain": DRAIN}
INTERVAL = 1
ERRORS = {
    "name": "errors",
    "type": "proxy",
    "measure": "error_rate",
    "interval": INTERVAL,
    "success_condition": "result <= 0.01",
}
STEPS, TOLERANCE, PAUSE = (20, 50), 8.0, 5
#: By which the lab's hosts reach each other; an engine gives a host others of its own.
ADDRESS = "ip -4 -o addr show eth0 | awk '{print $4}' | cut -d/ -f1"
#: The states that a deployment may have when its server was killed before the traffic moved.
STOPPED = ("interrupted", "rolled_back", "failed")


@pytest.fixture(scope="module")
def engines() -> Iterator[labs.Lab]:
    """Return three hosts with an engine, for this file only."""
    name = f"engine-{os.getpid()}"
    try:
        lab = labs.up(name, 3, engine=True)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(give_base_image, lab.hosts))
        yield lab
    finally:
        labs.down(name)


@pytest.fixture
def coloured(engines: labs.Lab, tmp_path: Path) -> Iterator[Hosts]:
    """Return a project on one host, on which version 1 serves as a colour."""
    hosts = Hosts(engines, engines.hosts[:1], tmp_path)
    hosts.compose(ports=None)
    strategy(hosts, "blue-green")
    give_proxy(hosts)
    hosts.good()
    yield hosts
    hosts.wipe()


@pytest.fixture
def behind(engines: labs.Lab, tmp_path: Path) -> Iterator[Hosts]:
    """Return a project on two hosts that a proxy on the third one asks; version 1 serves."""
    hosts = Hosts(engines, engines.hosts[:2], tmp_path, name="behind")
    front_of_two(hosts)
    give_proxy(hosts)
    hosts.good()
    yield hosts
    hosts.wipe()


def strategy(hosts: Hosts, name: str, **pace: object) -> None:
    """Write fraises.yaml for a strategy behind the host's own proxy."""
    hosts.configure(
        {"strategy": name, "strategy_config": {"healthy_deadline": 8, **pace}, "proxy": LOCAL}
    )


def front_of_two(hosts: Hosts, **pace: object) -> None:
    """Write fraises.yaml for rolling over both hosts, behind a proxy on a host of its own."""
    front = hosts.lab.hosts[2]
    login = {"username": "deploy", "ssh_key_path": str(hosts.lab.key)}
    inner = {host: hosts.inside(host, ADDRESS) for host in hosts.hosts}
    proxy = {
        "hosts": [{"hostname": front.address, **login}],
        "port": 8000,
        "app_port": PORT,
        "health_path": "/health",
        "drain": DRAIN,
    }
    hosts.configure(
        {"strategy_config": {"healthy_deadline": 8, **pace}, "proxy": proxy},
        hosts=[
            {"hostname": host.address, "private_address": inner[host], **login}
            for host in hosts.hosts
        ],
    )


def test_a_client_sees_the_weights_and_never_a_release_that_fails_its_gate(
    coloured: Hosts,
) -> None:
    host = coloured.hosts[0]
    steps = [{"weight": weight, "pause": PAUSE} for weight in STEPS]
    strategy(coloured, "canary", canary=steps, analysis=[ERRORS])
    coloured.write("2")
    with asking(host.address, 80) as story:
        coloured.good()
        until(lambda: story.part("2", story.answers[-1].at - 0.5) == 100)
        coloured.write("3", "http500")
        assert coloured.deploy().code == 5
    assert story.failures == [], story.text()
    assert set(story.versions()) == {"1", "2"}, story.text()
    begun = min(answer.at for answer in story.answers if answer.version == "2")
    for weight in STEPS:
        step = story.step("2", weight, TOLERANCE, PAUSE - 1, begun)
        assert step is not None, f"{weight} percent: {story.text()}"
        begun = step + PAUSE - 1


def test_a_canary_that_fails_its_analysis_costs_no_more_than_its_part(coloured: Hosts) -> None:
    live = coloured.colours(coloured.hosts[0])["live"]
    own = {key: value for key, value in LOCAL.items() if key != "health_path"}
    pace = {"canary": [{"weight": 20, "pause": 20}], "analysis": [ERRORS], "healthy_deadline": 8}
    coloured.configure({"strategy": "canary", "strategy_config": pace, "proxy": own})
    coloured.write("2", "sick_in_traffic")
    with asking(coloured.hosts[0].address, 80) as story:
        bad = coloured.deploy()
    assert bad.code == 5, bad.said
    assert "analysis_failed" in bad.said
    failed = [answer.at for answer in story.failures]
    assert failed, "it got its part"
    took = max(failed) - min(failed)
    assert took < 2 * INTERVAL, story.text()
    assert len(failed) <= 0.2 * 50 * (took + 0.2) * 1.3, story.text()
    assert weights(coloured) == {live: 100, other(live): 0}
    assert coloured.served(80) == ["1"]


@pytest.mark.parametrize("name", ["blue-green", "canary", "rolling"])
def test_a_server_killed_midway_leaves_the_live_colour_all_traffic(
    coloured: Hosts, name: str
) -> None:
    """I14: no request is lost; a canary has its part for an interval at most."""
    host, canary = coloured.hosts[0], name == "canary"
    live = coloured.colours(host)["live"]
    staged = other(live)
    more = {"canary": [{"weight": 20, "pause": 60}], "analysis": [ERRORS]}
    # One step of a rolling deployment stages and switches; the gate between lasts past the kill.
    gate = {"min_healthy_time": 30, "healthy_deadline": 60}
    strategy(coloured, name, **(more if canary else gate))
    coloured.write("2")
    with serving(coloured.fraisier) as server, asking(host.address, 80) as story:
        asked = server.deploy()
        until(lambda: coloured.colours(host)["staged"] == staged, 60)
        if canary:
            until(lambda: weights(coloured)[staged] == 20, 60)
            until(lambda: story.versions()["2"] > 5)
        secret = server.secret
        server.signal(signal.SIGKILL)
        killed = time.monotonic()
        server.process.wait(60)
        until(lambda: weights(coloured)[staged] == 0, 10)
        gone = time.monotonic()
        until(lambda: time.monotonic() > gone + 1.0)
        with serving(coloured.fraisier, secret=secret) as again:
            ended = again.ended(asked)
            assert ended["status"] in STOPPED, ended["reason"]
    last = max((a.at for a in story.answers if a.version == "2"), default=killed)
    assert last - killed < INTERVAL + 1.0, story.text()
    assert story.failures == [], story.text()
    assert weights(coloured) == {live: 100, staged: 0}
    coloured.run("unlock", "my_api", "production", "--reason", "seen")
    strategy(coloured, "blue-green")
    coloured.write("3")
    coloured.good()
    assert coloured.served(80) == ["3"]


def test_rolling_behind_a_proxy_of_its_own_costs_no_request(behind: Hosts) -> None:
    with asking(behind.lab.hosts[2].address) as story:
        until(lambda: len(story.answers) > 50)
        behind.write("2")
        behind.good()
        until(lambda: story.part("2", story.answers[-1].at - 0.5) == 100)
        behind.write("3", "http500")
        assert behind.deploy().code == 5
        front_of_two(behind, min_healthy_time=4)
        behind.write("4")
        with serving(behind.fraisier) as server:
            asked = server.deploy()
            until(lambda: "4" in behind.served(), 60)
            secret = server.secret
            server.signal(signal.SIGKILL)
            server.process.wait(60)
        with serving(behind.fraisier, secret=secret) as server:
            ended = server.ended(asked, 60)
            assert ended["status"] in STOPPED, ended["reason"]
        front_of_two(behind)
        behind.run("unlock", "my_api", "production", "--reason", "seen")
        behind.write("5")
        behind.good()
        until(lambda: story.part("5", story.answers[-1].at - 0.5) == 100)
    assert story.failures == [], story.text()
    assert "3" not in story.versions(), "no client was ever sent to the bad release"
    assert behind.served() == ["5", "5"]


def other(colour: str) -> str:
    """Return the other of the two."""
    return "green" if colour == "blue" else "blue"
