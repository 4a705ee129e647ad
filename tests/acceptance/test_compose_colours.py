"""Services in containers as two colours behind a proxy on their own hosts, all of it real."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fraisier import lab as labs
from support.client import Story, asking
from support.compose_hosts import Hosts, give_base_image, give_proxy

PROXY = {"app_port": 8000, "port": 80, "health_path": "/health", "drain": 5}


@pytest.fixture(scope="module")
def engines() -> Iterator[labs.Lab]:
    """Return two hosts with an engine, for this file only."""
    name = f"engine-{os.getpid()}"
    try:
        lab = labs.up(name, 2, engine=True)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(give_base_image, lab.hosts))
        yield lab
    finally:
        labs.down(name)


@pytest.fixture
def shop(engines: labs.Lab, tmp_path: Path) -> Iterator[Hosts]:
    """Return a project on both hosts, each with a proxy; all of it is removed afterwards."""
    folder = tmp_path / "shop"
    folder.mkdir()
    hosts = Hosts(engines, engines.hosts, folder)
    hosts.compose(ports=None)
    strategy(hosts, "blue-green")
    give_proxy(hosts)
    yield hosts
    hosts.wipe()


def strategy(
    hosts: Hosts, name: str, front: Mapping[str, Any] | None = None, **config: Any
) -> None:
    """Write fraises.yaml for a strategy behind the proxy; `front` replaces parts of that."""
    pace = {"healthy_deadline": 8, **config}
    proxy = {key: value for key, value in {**PROXY, **(front or {})}.items() if value is not None}
    hosts.configure({"strategy": name, "strategy_config": pace, "proxy": proxy})


def test_blue_green_and_its_way_back_lose_no_request(shop: Hosts) -> None:
    shop.good()
    assert shop.served(80) == ["1", "1"]
    with ExitStack() as stack:
        stories = [stack.enter_context(asking(h.address, 80)) for h in shop.hosts]
        shop.write("2")
        shop.good()
        assert shop.served(80) == ["2", "2"]
        assert set(shop.containers(shop.hosts[0])) == {"api-blue", "api-green", "db"}
        shop.write("3", "http500")
        bad = shop.deploy()
        assert bad.code == 5, bad.said
        assert "health_check_failed" in bad.said
        assert shop.served(80) == ["2", "2"]
        back = shop.run("rollback", "my_api", "production")
        assert back.code == 0, back.said
        assert shop.served(80) == ["1", "1"]
    for story in stories:
        require_whole(story, {"1", "2"})


def test_rolling_moves_each_host_to_its_other_colour_without_a_gap(shop: Hosts) -> None:
    strategy(shop, "rolling")
    shop.good()
    with asking(shop.hosts[0].address, 80) as story:
        shop.write("2")
        shop.good()
    assert shop.served(80) == ["2", "2"]
    require_whole(story, {"1", "2"})
    assert set(shop.containers(shop.hosts[0])) == {"api-green", "db"}


def test_a_canary_that_does_badly_loses_its_traffic(shop: Hosts) -> None:
    errors = {
        "name": "errors", "type": "proxy", "measure": "error_rate", "interval": 1,
        "success_condition": "result <= 0.01", "failure_limit": 0,
    }  # fmt: skip
    steps = {"canary": [{"weight": 20, "pause": 4}], "analysis": [errors]}
    strategy(shop, "canary", {"health_path": None}, **steps)  # what the proxy asks must not fail
    shop.good()
    with ExitStack() as stack:
        stories = [stack.enter_context(asking(h.address, 80)) for h in shop.hosts]
        shop.write("2")
        shop.good()
        assert shop.served(80) == ["2", "2"]
    for story in stories:
        require_whole(story, {"1", "2"})
    shop.write("3", "sick_in_traffic")
    with asking(shop.hosts[0].address, 80) as story:
        bad = shop.deploy()
    assert bad.code == 5, bad.said
    assert "analysis_failed" in bad.said
    assert shop.served(80) == ["2", "2"]
    assert story.part("2") > 50


def test_what_ran_before_colours_serves_until_the_proxy_does(shop: Hosts) -> None:
    shop.compose()
    host = shop.hosts[0]
    shop.configure()
    shop.good()
    with asking(host.address, 8000) as plain:
        strategy(shop, "blue-green")
        shop.write("2", "http500")
        assert shop.deploy().code == 5
    require_whole(plain, {"1"})
    assert shop.served() == ["1", "1"], "it goes on serving where it did"
    shop.write("3")
    shop.good()
    assert shop.served(80) == ["3", "3"]
    assert set(shop.containers(host)) == {"api-green", "db"} or set(shop.containers(host)) == {
        "api-blue", "db"
    }  # fmt: skip


def test_what_cannot_have_colours_is_told_with_every_reason(shop: Hosts) -> None:
    shop.compose(ports=["9999:9999"], container_name="the-one", network_mode=None)
    result = shop.deploy()
    assert result.code == 5, result.said
    assert "[colours_unsuitable]" in result.said
    assert "container_name the-one" in result.said
    assert "port 9999" in result.said
    assert not shop.containers(shop.hosts[0])


def require_whole(story: Story, versions: set[str]) -> None:
    """See that a client was answered each time, and by these versions only."""
    assert len(story.answers) > 100, story.text()
    assert not story.failures, story.text()
    assert set(story.versions()) == versions, story.text()
