"""Canaries that wait for a person, and that go back on every host, on real hosts and proxies."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.client import asking
from support.colours_lab import PROXY, colours, prepare, weights
from support.daemons import Daemon, program
from support.target import Target, until

HELD = [{"weight": 20, "pause": "resume"}]
NAMES = ("my_api", "production")


def configure(target: Target, steps: list[dict[str, Any]], **more: Any) -> None:
    """Write fraises.yaml with a canary of these steps."""
    pace = {"healthy_deadline": 8, "canary": steps, "max_parallel": "100%", **more}
    target.configure({"strategy": "canary", "proxy": PROXY, "strategy_config": pace})


def begin(target: Target, steps: list[dict[str, Any]], **more: Any) -> str:
    """Make the hosts ready, with a good version that serves; return it."""
    configure(target, steps, **more)
    prepare(target)
    version = target.repository.commit("good")
    done = target.deploy("--strategy", "rolling")
    assert done.code == 0, done.said
    return version


@contextmanager
def paused(target: Target) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Deploy in a command of its own until it is paused; yield its process and deployment."""
    process = target.fraisier.start("deploy", *NAMES)
    try:
        until(lambda: process.poll() is not None or target.last().get("paused"), 90)
        assert process.poll() is None, process.communicate()
        yield process, target.last()["id"]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_paused_canary_goes_on_when_another_command_says_so(target: Target) -> None:
    old, host = begin(target, HELD), target.hosts[0]
    new = target.repository.commit("good", {"note": "second"})
    with asking(host.address) as story, paused(target) as (process, deployment):
        live = colours(target)["live"]
        assert sorted(weights(target).values()) == [20, 80], "what it has while it waits"
        seen = len(story.answers)
        until(lambda: len(story.answers) > seen + 100)
        assert "in_progress (paused; see fraisier resume)" in target.fraisier("status", *NAMES).out
        assert target.fraisier("resume", deployment).code == 0
        out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
    assert story.failures == [], story.text()
    assert story.versions().keys() == {old, new}
    assert "paused at 20 %" in err
    assert "it goes on, as cli:" in err
    assert "success" in out
    assert target.served(host) == new
    assert colours(target)["live"] != live
    late = target.fraisier("resume", deployment)
    assert (late.code, "has ended already" in late.said) == (8, True)


def test_a_paused_canary_that_is_cancelled_gives_the_traffic_back(target: Target) -> None:
    old, host = begin(target, HELD), target.hosts[0]
    target.repository.commit("good", {"note": "second"})
    with asking(host.address) as story, paused(target) as (process, deployment):
        assert target.fraisier("cancel", deployment).code == 0
        process.communicate(timeout=90)
        assert process.returncode == 9
        answered = len(story.answers)
        until(lambda: len(story.answers) > answered + 50)
        since = story.answers[answered].at + 0.2
        assert story.versions(since).keys() == {old}
    assert story.failures == [], story.text()
    assert target.served(host) == old
    assert colours(target)["staged"] is None


def test_a_paused_canary_whose_command_is_killed_is_settled_with_all_traffic_back(
    target: Target,
) -> None:
    old, host = begin(target, HELD), target.hosts[0]
    target.repository.commit("good", {"note": "second"})
    with asking(host.address) as story, paused(target) as (process, deployment):
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        until(lambda: target.last()["status"] == "interrupted", 60)
    assert story.failures == [], story.text()
    shown = target.fraisier("--json", "show", deployment).json
    assert (shown["paused"], shown["status"]) == (False, "interrupted")
    live = colours(target)["live"]
    assert {name: weight for name, weight in weights(target).items() if weight} == {live: 100}
    assert target.served(host) == old
    assert target.fraisier("unlock", *NAMES, "--reason", "seen").code == 0
    third = target.repository.commit("good", {"note": "third"})
    assert target.deploy("--strategy", "blue-green").code == 0
    assert target.served(host) == third


@pytest.mark.parametrize("where", [0, 2])
def test_an_analysis_that_fails_on_one_host_takes_all_back(fleet: Target, where: int) -> None:
    old = begin(fleet, [{"weight": 50, "pause": 90}])
    guilty = fleet.hosts[where]
    check = {
        "name": "look", "type": "exec", "interval": 1,
        "command": ["/bin/sh", "-c", "test ! -e /tmp/guilty"],
    }  # fmt: skip
    configure(fleet, [{"weight": 50, "pause": 90}], analysis=[check])
    fleet.inside(guilty, "touch /tmp/guilty")
    try:
        new = fleet.repository.commit("good", {"note": "second"})
        done = fleet.deploy()
    finally:
        fleet.inside(guilty, "rm /tmp/guilty")
    assert done.code == 5, done.said
    last = fleet.last()
    assert last["status"] == "rolled_back", last["reason"]
    assert "analysis_failed" in last["reason"]
    assert last["duration_seconds"] < 90, "the others did not measure to their end"
    for host in fleet.hosts:
        assert fleet.served(host) == old
        record = colours(fleet, host)
        assert record["staged"] is None
        assert weights(fleet, host)[record["live"]] == 100
    known = {
        host["version"]
        for host in fleet.fraisier("--json", "status", *NAMES).json["targets"][0]["hosts"]
    }
    assert known == {old}
    assert new != old


@pytest.fixture
def prometheus(target: Target) -> Iterator[str]:
    """Return the URL, for the lab's hosts, of a real Prometheus that scrapes itself."""
    found = target.inside(target.hosts[0], "ip route show default")
    gateway = found.split(" via ")[1].split()[0]

    def argv(folder: Path, port: int) -> list[str]:
        own = [{"job_name": "itself", "static_configs": [{"targets": [f"{gateway}:{port}"]}]}]
        document = {"global": {"scrape_interval": "1s"}, "scrape_configs": own}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(document))
        return [
            program("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={gateway}:{port}",
        ]

    def scraped(port: int) -> bool:
        query = f"http://{gateway}:{port}/api/v1/query?query=up"
        try:
            with urllib.request.urlopen(query, timeout=2) as answer:
                return bool(json.load(answer)["data"]["result"])
        except OSError:
            return False

    daemon = Daemon(argv, scraped)
    try:
        daemon.start()
        yield f"http://{gateway}:{daemon.port}"
    finally:
        daemon.close()


def test_what_prometheus_cannot_tell_is_left_to_a_person_and_what_it_tells_is_done(
    target: Target, prometheus: str
) -> None:
    asked = {"name": "up", "type": "prometheus", "url": prometheus, "interval": 1}
    steps: list[dict[str, Any]] = [{"weight": 20, "pause": 3}]
    unclear = {"success_condition": "result[0] > 1", "failure_condition": "result[0] < 1"}
    query = {"query": 'up{job="itself"}'}
    begin(target, steps, analysis=[{**asked, **query, **unclear}])
    good = target.repository.commit("good", {"note": "second"})
    with paused(target) as (process, deployment):
        assert sorted(weights(target).values()) == [20, 80], "what it has while it waits"
        assert target.fraisier("resume", deployment).code == 0
        _out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
    assert target.served(target.hosts[0]) == good
    wanted = {"success_condition": "result < 1", "query": f"scalar({query['query']})"}
    configure(target, steps, analysis=[{**asked, **wanted}])
    target.repository.commit("good", {"note": "third"})
    bad = target.deploy()
    assert bad.code == 5, bad.said
    assert "analysis_failed" in bad.said
    assert target.served(target.hosts[0]) == good
