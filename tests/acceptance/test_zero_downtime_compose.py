"""Containers behind a proxy: what a client at 50 requests a second sees when all goes wrong."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
import yaml

from support.client import Story, asking
from support.colours_lab import weights
from support.compose_hosts import BASE, Hosts, give_proxy, leased
from support.host_pool import HostPool
from support.server import serving
from support.target import until

LOCAL = {"app_port": 8000, "port": 80, "health_path": "/health", "drain": 5}
INTERVAL = 1
ERRORS = {
    "name": "errors",
    "type": "proxy",
    "measure": "error_rate",
    "interval": INTERVAL,
    "success_condition": "result <= 0.01",
    "failure_limit": 0,
}
STEPS, TOLERANCE, PAUSE = (20, 50), 8.0, 5
#: The states that a deployment may have when its server was killed before the traffic moved.
STOPPED = ("interrupted", "rolled_back", "failed")


@pytest.fixture(scope="module")
def host_with_proxy(engines: HostPool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Return a project on one host whose proxy is prepared."""
    with leased(engines, 1, tmp_path_factory.mktemp("shop")) as hosts:
        hosts.compose(ports=None)
        strategy(hosts, "blue-green")
        give_proxy(hosts)
        yield hosts


@pytest.fixture
def coloured(host_with_proxy: Hosts) -> Hosts:
    """Return the project with version 1 or a later one in a slot, as the test before left it.

    What a failed test left is removed first.
    """
    hosts = host_with_proxy
    strategy(hosts, "blue-green")
    if not is_settled(hosts):
        hosts.wipe()
        for records in hosts.folder.glob("fraisier.db*"):
            records.unlink()
        give_proxy(hosts)
        hosts.new_version()
        hosts.good()
    return hosts


def is_settled(hosts: Hosts) -> bool:
    """Return whether one version serves and nothing is staged or under way."""
    if hosts.served(80) == [None]:
        return False
    ended = hosts.last()["status"] in ("success", "rolled_back")
    return ended and hosts.colours(hosts.hosts[0])["staged"] is None


def strategy(hosts: Hosts, name: str, **pace: object) -> None:
    """Write fraises.yaml for a strategy behind the host's own proxy."""
    hosts.configure(
        {"strategy": name, "strategy_config": {"healthy_deadline": 8, **pace}, "proxy": LOCAL}
    )


@pytest.mark.cpu_seconds(40, reason="prepares the proxy and a first version for this module")
def test_blue_green_and_its_rollback_lose_no_request(coloured: Hosts) -> None:
    host, (first,) = coloured.hosts[0], coloured.served(80)
    with asking(host.address, 80) as story:
        second = coloured.new_version()
        coloured.good()
        assert coloured.served(80) == [second]
        assert set(coloured.containers(host)) == {"api-blue", "api-green", "db"}
        coloured.new_version("http500")
        bad = coloured.deploy()
        assert bad.code == 5, bad.said
        assert "health_check_failed" in bad.said
        assert coloured.served(80) == [second]
        back = coloured.run("rollback", "my_api", "production")
        assert back.code == 0, back.said
        assert coloured.served(80) == [first]
    require_whole(story, {first, second})


def test_rolling_moves_a_host_to_its_other_slot_without_a_gap(coloured: Hosts) -> None:
    host, (first,) = coloured.hosts[0], coloured.served(80)
    live = coloured.colours(host)["live"]
    strategy(coloured, "rolling")
    with asking(host.address, 80) as story:
        second = coloured.new_version()
        coloured.good()
        until(lambda: len(story.answers) > 100)
    assert coloured.served(80) == [second]
    require_whole(story, {first, second})
    assert set(coloured.containers(host)) == {f"api-{other(live)}", "db"}


def require_whole(story: Story, versions: set[str | None]) -> None:
    """See that a client was answered each time, and by these versions only."""
    assert len(story.answers) > 100, story.text()
    assert not story.failures, story.text()
    assert set(story.versions()) == versions, story.text()


@pytest.mark.cpu_seconds(30, reason="a client asks for as long as the steps of two canaries take")
def test_a_canary_gets_its_weights_and_a_bad_one_costs_no_more_than_its_part(
    coloured: Hosts,
) -> None:
    host, (first,) = coloured.hosts[0], coloured.served(80)
    own = {key: value for key, value in LOCAL.items() if key != "health_path"}
    steps = [{"weight": weight, "pause": PAUSE} for weight in STEPS]
    pace = {"canary": steps, "analysis": [ERRORS], "healthy_deadline": 8}
    # Without health_path: what the proxy asks by itself must not take a bad release out first.
    coloured.configure({"strategy": "canary", "strategy_config": pace, "proxy": own})
    second = coloured.new_version()
    with asking(host.address, 80) as story:
        coloured.good()
        until(lambda: story.part(second, story.answers[-1].at - 0.5) == 100)
    require_whole(story, {first, second})
    begun = min(answer.at for answer in story.answers if answer.version == second)
    for weight in STEPS:
        step = story.step(second, weight, TOLERANCE, PAUSE - 1, begun)
        assert step is not None, f"{weight} percent: {story.text()}"
        begun = step + PAUSE - 1
    live = coloured.colours(host)["live"]
    coloured.new_version("sick_in_traffic")
    with asking(host.address, 80) as story:
        bad = coloured.deploy()
    assert bad.code == 5, bad.said
    assert "analysis_failed" in bad.said
    failed = [answer.at for answer in story.failures]
    assert failed, "it got its part"
    took = max(failed) - min(failed)
    assert took < 2 * INTERVAL, story.text()
    assert len(failed) <= 0.2 * 50 * (took + 0.2) * 1.3, story.text()
    assert set(story.versions()) == {second}, story.text()
    assert story.part(second) > 50
    assert weights(coloured) == {live: 100, other(live): 0}
    assert coloured.served(80) == [second]


@pytest.mark.slow
@pytest.mark.cpu_seconds(30, reason="two servers, and a client that asks all the while")
@pytest.mark.parametrize("name", ["canary", "blue-green", "rolling"])
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
    version = coloured.new_version()
    with serving(coloured.fraisier, executed=True) as server, asking(host.address, 80) as story:
        asked = server.deploy()
        if canary:
            until(lambda: story.versions()[version] > 5, 60)
            until(lambda: weights(coloured)[staged] == 20, 60)
        else:
            until(lambda: coloured.colours(host)["staged"] == staged, 60)
        secret = server.secret
        server.signal(signal.SIGKILL)
        killed = time.monotonic()
        server.process.wait(60)
        until(lambda: not story.part(version, story.answers[-1].at - 0.5), 10)
        until(lambda: weights(coloured)[staged] == 0, 10)
        gone = time.monotonic()
        until(lambda: time.monotonic() > gone + 1.0)
        with serving(coloured.fraisier, secret=secret) as again:
            ended = again.ended(asked)
            assert ended["status"] in STOPPED, ended["reason"]
    last = max((a.at for a in story.answers if a.version == version), default=killed)
    assert last - killed < INTERVAL + 1.0, story.text()
    assert story.failures == [], story.text()
    assert weights(coloured) == {live: 100, staged: 0}
    coloured.run("unlock", "my_api", "production", "--reason", "seen")
    strategy(coloured, "blue-green")
    third = coloured.new_version()
    coloured.good()
    assert coloured.served(80) == [third]


@pytest.mark.slow
@pytest.mark.cpu_seconds(60, reason="four deployments to slots, each with an image beside")
def test_a_bad_release_in_a_slot_takes_back_what_it_needs(coloured: Hosts) -> None:
    host, folder = coloured.hosts[0], coloured.folder
    (folder / "back").mkdir()
    (folder / "back/Dockerfile").write_text(f"FROM {BASE}\nCOPY what /what\n")
    (folder / "back/what").write_text("1")
    document = yaml.safe_load((folder / "docker-compose.yml").read_text())
    document["services"]["db"].pop("image")
    document["services"]["db"]["build"] = "./back"
    document["services"]["api"]["configs"] = [{"source": "text", "target": "/text"}]
    document["configs"] = {"text": {"content": "one"}}
    before = (folder / "docker-compose.yml").read_text()
    (folder / "docker-compose.yml").write_text(yaml.safe_dump(document))

    def found() -> list[str]:
        live = coloured.colours(host)["live"]
        files = ((f"api-{live}", "/text"), ("db", "/what"))
        return [coloured.inside(host, f"docker exec shop-{n}-1 cat {path}") for n, path in files]

    good = coloured.new_version()
    coloured.good()
    assert (found(), coloured.served(80)) == (["one", "1"], [good])
    document["configs"]["text"]["content"] = "two"
    (folder / "docker-compose.yml").write_text(yaml.safe_dump(document))
    coloured.good()
    assert found() == ["two", "1"]
    (folder / "back/what").write_text("2")
    coloured.new_version("http500")
    bad = coloured.deploy()
    assert bad.code == 5, bad.said
    assert coloured.last()["status"] == "rolled_back"
    assert (found(), coloured.served(80)) == (["two", "1"], [good])
    (folder / "docker-compose.yml").write_text(before)


def other(colour: str) -> str:
    """Return the other of the two."""
    return "green" if colour == "blue" else "blue"
