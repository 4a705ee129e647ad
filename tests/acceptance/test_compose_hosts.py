"""Services in containers on hosts of their own, over SSH, each with a real engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fraisier import lab as labs
from support.compose_hosts import BASE, STATE, Hosts, give_base_image

SECRET = "a-secret-that-must-stay-out-of-everything"


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
    """Return a project on both hosts; everything of it is removed afterwards."""
    folder = tmp_path / "shop"
    folder.mkdir()
    hosts = Hosts(engines, engines.hosts, folder)
    yield hosts
    hosts.wipe()


def test_a_project_is_sent_built_upgraded_and_taken_back(shop: Hosts) -> None:
    shop.good()
    assert shop.served() == ["1", "1"]
    assert [a["greeting"] for a in shop.answers() if a] == ["from-a-file"] * 2
    databases = [shop.containers(host)["db"] for host in shop.hosts]
    again = shop.good()
    assert "nothing was changed" in again.said
    shop.write("2")
    shop.good()
    assert shop.served() == ["2", "2"]
    assert [shop.containers(host)["db"] for host in shop.hosts] == databases
    shop.write("3", "http500")
    bad = shop.deploy()
    assert bad.code == 5, bad.said
    assert "health_check_failed" in bad.said
    assert shop.last()["status"] == "rolled_back"
    assert shop.served() == ["2", "2"]
    (shop.folder / "docker-compose.yml").write_text("services: [broken\n")
    back = shop.run("rollback", "my_api", "production")
    assert back.code == 0, back.said
    assert shop.served() == ["1", "1"]
    status = shop.run("status", "my_api", "production")
    assert status.code == 0, status.said


def test_files_that_a_service_uses_are_there_and_go_back_with_it(shop: Hosts) -> None:
    (shop.folder / "greeting.txt").write_text("first")
    shop.compose(volumes=["./greeting.txt:/greeting.txt:ro", "./kept:/kept"])
    shop.good()
    host = shop.hosts[0]
    read = ("app", "exec", "my_api", "production", "--", "cat", "/greeting.txt")
    assert shop.run(*read).said.count("first") == 2
    written = ("app", "exec", "my_api", "production", "--", "sh", "-c", "echo own > /kept/data")
    assert shop.run(*written).code == 0
    (shop.folder / "greeting.txt").write_text("second")
    shop.good()
    assert shop.run(*read).said.count("second") == 2
    tree = f"{STATE}/.files/shop/tree/shop"
    assert shop.inside(host, f"cat {tree}/kept/data") == "own", "a container's data stays"
    assert shop.inside(host, f"stat -c %a {STATE}/.files/shop") == "700"
    assert shop.run("rollback", "my_api", "production").code == 0
    assert shop.run(*read).said.count("first") == 2


def test_a_folder_too_large_for_the_module_is_sent_when_it_changes(shop: Hosts) -> None:
    (shop.folder / "blob").write_bytes(os.urandom(200_000))
    (shop.folder / ".dockerignore").write_text("*.log\n")
    (shop.folder / "noise.log").write_bytes(os.urandom(300_000))
    shop.good()
    assert shop.served() == ["1", "1"]
    tree = f"{STATE}/.files/shop/tree/shop"
    names = shop.inside(shop.hosts[0], f"ls -A {tree}").split()
    assert "blob" in names
    assert "noise.log" not in names
    assert not {name for name in names if name.startswith("fraisier.db")}


def test_what_is_outside_the_folder_is_refused_before_anything_is_touched(shop: Hosts) -> None:
    shop.compose(env_file=["../elsewhere.env"])
    result = shop.deploy()
    assert result.code == 5, result.said
    assert "[compose_outside]" in result.said
    assert not shop.containers(shop.hosts[0])


def test_the_service_itself_is_seen_restarted_and_stopped_on_all_hosts(shop: Hosts) -> None:
    shop.good()
    before = [shop.inside(h, "docker ps -q --no-trunc | wc -l") for h in shop.hosts]
    assert before == ["2", "2"]
    seen = shop.run("--json", "app", "status", "my_api", "production")
    assert seen.code == 0, seen.said
    assert [host["ok"] for host in seen.json["hosts"]] == [True, True]
    assert all(host["memory_bytes"] > 0 for host in seen.json["hosts"])
    logged = shop.run("--json", "app", "logs", "my_api", "production", "-n", "1")
    assert {entry["host"] for entry in logged.json["logs"]} == {h.address for h in shop.hosts}
    assert all("GET /health" in entry["text"] for entry in logged.json["logs"])
    old = shop.run("--json", "app", "logs", "my_api", "production", "--since", "2020-01-01")
    assert len(old.json["logs"]) >= 2
    restarted = shop.run("app", "restart", "my_api", "production")
    assert restarted.code == 0, restarted.said
    assert restarted.said.count("healthy after") == 2
    assert shop.run("app", "stop", "my_api", "production").code == 0
    assert shop.served() == [None, None]
    assert shop.run("app", "status", "my_api", "production").code == 5
    assert shop.run("app", "start", "my_api", "production").code == 0
    assert shop.served() == ["1", "1"]


def test_an_engine_that_is_missing_on_a_host_is_told(shop: Hosts) -> None:
    host = shop.hosts[1]
    shop.inside(host, "mv /usr/bin/docker /usr/bin/docker.away")
    try:
        result = shop.deploy()
    finally:
        shop.inside(host, "mv /usr/bin/docker.away /usr/bin/docker")
    assert result.code == 5, result.said
    assert "[docker_missing]" in result.said
    assert not shop.containers(shop.hosts[0]), "the other host was not touched"
    assert BASE in shop.inside(host, "docker images --format '{{.Repository}}:{{.Tag}}'")
