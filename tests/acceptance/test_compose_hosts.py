"""Services in containers on hosts of their own, over SSH, each with a real engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.client import asking
from support.compose_hosts import BASE, PORT, STATE, Hosts, give_proxy, leased
from support.host_pool import HostPool
from support.server import serving
from support.target import until

#: By which the lab's hosts reach each other; an engine gives a host others of its own.
ADDRESS = "ip -4 -o addr show eth0 | awk '{print $4}' | cut -d/ -f1"
TREE = f"{STATE}/.files/shop/tree/shop"
#: What the running service reads in the file that it has from its project.
READ = "docker exec shop-api-1 cat /greeting.txt"
PROXY = {"app_port": 8000, "port": 80, "health_path": "/health", "drain": 5}


@pytest.fixture
def alone(engines: HostPool, tmp_path: Path) -> Iterator[Hosts]:
    """Return a project on one host; everything of it is removed afterwards."""
    with leased(engines, 1, tmp_path / "shop") as hosts:
        yield hosts


@pytest.fixture
def shop(engines: HostPool, tmp_path: Path) -> Iterator[Hosts]:
    """Return a project on two hosts; everything of it is removed afterwards."""
    with leased(engines, 2, tmp_path / "shop") as hosts:
        yield hosts


def exec_in_service(hosts: Hosts, *command: str) -> str:
    """Run a command in the service's container, and return what it said."""
    done = hosts.run("app", "exec", "my_api", "production", "--", *command)
    assert done.code == 0, done.said
    return done.said


def test_what_cannot_work_is_refused_before_any_host_is_touched(shop: Hosts) -> None:
    shop.compose(env_file=["../elsewhere.env"])
    outside = shop.deploy()
    assert outside.code == 5, outside.said
    assert "[compose_outside]" in outside.said
    assert not shop.containers(shop.hosts[0])
    shop.compose()
    host = shop.hosts[1]
    shop.configure(project_name=None)
    ready = shop.run("doctor", "my_api", "production")
    assert ready.code == 0, ready.said
    assert shop.inside(host, f"ls {STATE} 2>/dev/null; true") == "", "it was only looked at"
    shop.configure()
    shop.inside(host, "mv /usr/bin/docker /usr/bin/docker.away")
    try:
        missing = shop.deploy()
    finally:
        shop.inside(host, "mv /usr/bin/docker.away /usr/bin/docker")
    assert missing.code == 5, missing.said
    assert "[docker_missing]" in missing.said
    assert not shop.containers(shop.hosts[0]), "the other host was not touched"
    assert BASE in shop.inside(host, "docker images --format '{{.Repository}}:{{.Tag}}'")


@pytest.mark.cpu_seconds(30, reason="three deployments to a host and a rollback")
def test_a_project_is_sent_built_upgraded_and_taken_back_with_its_files(alone: Hosts) -> None:
    (host,), folder = alone.hosts, alone.folder
    (folder / "greeting.txt").write_text("first")
    (folder / "blob").write_bytes(os.urandom(200_000))  # more than the module's arguments take
    (folder / ".dockerignore").write_text("*.log\n")
    (folder / "noise.log").write_bytes(os.urandom(300_000))
    alone.compose(volumes=["./greeting.txt:/greeting.txt:ro", "./kept:/kept"])
    alone.good()
    assert alone.answers() == [{"version": "1", "greeting": "from-a-file", "secret_length": 0}]
    names = alone.inside(host, f"ls -A {TREE}").split()
    assert "blob" in names
    assert "noise.log" not in names
    assert not {name for name in names if name.startswith("fraisier.db")}
    assert alone.inside(host, f"stat -c %a {STATE}/.files/shop") == "700"
    written = exec_in_service(alone, "sh", "-c", "echo own > /kept/data; cat /greeting.txt")
    assert "first" in written
    database = alone.containers(host)["db"]
    again = alone.good()
    assert "nothing was changed" in again.said
    (folder / "greeting.txt").write_text("second")
    alone.write("2")
    alone.good()
    assert alone.served() == ["2"]
    assert alone.containers(host)["db"] == database
    assert "second" in alone.inside(host, READ)
    assert alone.inside(host, f"cat {TREE}/kept/data") == "own", "a container's data stays"
    (folder / "docker-compose.yml").write_text("services: [broken\n")
    back = alone.run("rollback", "my_api", "production")
    assert back.code == 0, back.said
    assert alone.served() == ["1"]
    assert "first" in alone.inside(host, READ)
    status = alone.run("status", "my_api", "production")
    assert status.code == 0, status.said


@pytest.mark.slow
def test_changed_configs_and_what_the_service_needs_reach_the_host(alone: Hosts) -> None:
    (host,), folder = alone.hosts, alone.folder
    (folder / "back").mkdir()
    (folder / "back/Dockerfile").write_text(f"FROM {BASE}\nCOPY what /what\n")

    def write(config: str, what: str) -> None:
        (folder / "back/what").write_text(what)
        alone.compose(configs=[{"source": "text", "target": "/text"}])
        document = yaml.safe_load((folder / "docker-compose.yml").read_text())
        document["configs"] = {"text": {"content": config}}
        document["services"]["db"].pop("image")
        document["services"]["db"]["build"] = "./back"
        (folder / "docker-compose.yml").write_text(yaml.safe_dump(document))

    def found() -> tuple[str, str]:
        files = (("api", "/text"), ("db", "/what"))
        said = [alone.inside(host, f"docker exec shop-{name}-1 cat {path}") for name, path in files]
        return said[0], said[1]

    write("one", "1")
    alone.good()
    write("two", "2")
    alone.good()
    assert found() == ("two", "2")
    before = alone.containers(host)
    alone.good()
    assert alone.containers(host) == before
    assert alone.run("rollback", "my_api", "production").code == 0
    assert found() == ("one", "1")


def test_the_service_itself_is_seen_restarted_and_stopped(alone: Hosts) -> None:
    (host,) = alone.hosts
    alone.good()
    seen = alone.run("--json", "app", "status", "my_api", "production")
    assert seen.code == 0, seen.said
    (found,) = seen.json["hosts"]
    assert found["ok"] is True
    assert found["memory_bytes"] > 0
    logged = alone.run("--json", "app", "logs", "my_api", "production", "-n", "1")
    assert [entry["host"] for entry in logged.json["logs"]] == [host.address]
    assert "GET /health" in logged.json["logs"][0]["text"]
    old = alone.run("--json", "app", "logs", "my_api", "production", "--since", "2020-01-01")
    assert len(old.json["logs"]) >= 1
    restarted = alone.run("app", "restart", "my_api", "production")
    assert restarted.code == 0, restarted.said
    assert "healthy after" in restarted.said
    assert alone.run("app", "stop", "my_api", "production").code == 0
    assert alone.served() == [None]
    assert alone.run("app", "status", "my_api", "production").code == 5
    assert alone.run("app", "start", "my_api", "production").code == 0
    assert alone.served() == ["1"]


@pytest.fixture
def behind(engines: HostPool, tmp_path: Path) -> Iterator[Hosts]:
    """Return a project on two hosts that a proxy on the third one asks; version 1 serves."""
    with leased(engines, 3, tmp_path, "behind") as hosts:
        *hosts.hosts, hosts.front = hosts.hosts
        front_of_two(hosts)
        give_proxy(hosts)
        hosts.good()
        yield hosts


def front_of_two(hosts: Hosts, **pace: object) -> None:
    """Write fraises.yaml for rolling over both hosts, behind a proxy on a host of its own."""
    assert hosts.front is not None
    login = {"username": "deploy", "ssh_key_path": str(hosts.lab.key)}
    proxy = {
        "hosts": [{"hostname": hosts.front.address, **login}],
        "port": 8000,
        "app_port": PORT,
        "health_path": "/health",
        "drain": 5,
    }
    each = [
        {"hostname": host.address, "private_address": hosts.inside(host, ADDRESS), **login}
        for host in hosts.hosts
    ]
    pace = {"healthy_deadline": 8, **pace}
    hosts.configure({"strategy_config": pace, "proxy": proxy}, hosts=each)


@pytest.mark.slow
@pytest.mark.cpu_seconds(60, reason="three hosts, two of which build and start two versions")
def test_rolling_behind_a_proxy_of_its_own_costs_no_request(behind: Hosts) -> None:
    assert behind.front is not None
    databases = [behind.containers(host)["db"] for host in behind.hosts]
    with asking(behind.front.address) as story:
        until(lambda: len(story.answers) > 50)
        behind.write("2")
        behind.good()
        until(lambda: story.part("2", story.answers[-1].at - 0.5) == 100)
    assert story.failures == [], story.text()
    assert behind.served() == ["2", "2"]
    assert [behind.containers(host)["db"] for host in behind.hosts] == databases


@pytest.mark.slow
@pytest.mark.cpu_seconds(90, reason="three hosts, two servers, and four versions on two hosts")
def test_a_bad_release_and_a_killed_server_cost_no_request_behind_a_proxy(behind: Hosts) -> None:
    assert behind.front is not None
    with asking(behind.front.address) as story:
        behind.write("bad", "http500")
        bad = behind.deploy()
        assert bad.code == 5, bad.said
        assert "health_check_failed" in bad.said
        assert behind.last()["status"] == "rolled_back"
        assert behind.served() == ["1", "1"]
        front_of_two(behind, min_healthy_time=4)
        behind.write("2")
        with serving(behind.fraisier, executed=True) as server:
            asked = server.deploy()
            until(lambda: "2" in behind.served(), 60)
            secret = server.secret
            server.signal(signal.SIGKILL)
            server.process.wait(60)
        with serving(behind.fraisier, secret=secret) as server:
            ended = server.ended(asked, 60)
            assert ended["status"] in ("interrupted", "rolled_back", "failed"), ended["reason"]
        front_of_two(behind)
        behind.run("unlock", "my_api", "production", "--reason", "seen")
        behind.write("3")
        behind.good()
        until(lambda: story.part("3", story.answers[-1].at - 0.5) == 100)
    assert story.failures == [], story.text()
    assert "bad" not in story.versions(), "no client was ever sent to the bad release"
    assert behind.served() == ["3", "3"]


@pytest.mark.slow
@pytest.mark.cpu_seconds(40, reason="five deployments, and two of them to a new slot")
def test_a_plain_service_serves_until_its_first_slot_does(alone: Hosts) -> None:
    (host,) = alone.hosts
    alone.good()
    blue_green = {"strategy": "blue-green", "strategy_config": {"healthy_deadline": 8}}
    alone.configure({**blue_green, "proxy": PROXY})
    give_proxy(alone)
    with asking(host.address, 8000) as plain:
        alone.compose(ports=["9999:9999"], container_name="the-one", network_mode=None)
        unsuitable = alone.deploy()
        alone.compose()
        alone.write("2", "http500")
        bad = alone.deploy()
    assert unsuitable.code == 5, unsuitable.said
    assert "[colours_unsuitable]" in unsuitable.said
    assert "container_name the-one" in unsuitable.said
    assert "port 9999" in unsuitable.said
    assert bad.code == 5, bad.said
    assert plain.failures == [], plain.text()
    assert set(plain.versions()) == {"1"}, plain.text()
    assert alone.served() == ["1"], "it goes on serving where it did"
    alone.write("3")
    alone.good()
    assert alone.served(80) == ["3"]
    slots = set(alone.containers(host)) - {"db"}
    assert slots in ({"api-blue"}, {"api-green"})
