"""Canaries on real hosts: weights, pauses, analyses, a killed server and the way back."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from fraisier.domain.ports import Filter
from fraisier.lab import Lab, exec_in
from fraisier.store import SqlStore
from support.client import Story, asking
from support.colours_lab import (
    PROXY,
    Reused,
    colours,
    give_proxy,
    other,
    reused,
    running,
    weights,
)
from support.daemons import Daemon, program
from support.server import serving
from support.target import Target, until

#: What the steps of a canary ask for, in percent, and how far from it what a client sees may be.
STEPS, TOLERANCE = (20, 50), 8.0
PAUSE, INTERVAL = 5, 1
HELD = [{"weight": 20, "pause": "resume"}]
NAMES = ("my_api", "production")
ERRORS = {
    "name": "errors",
    "type": "proxy",
    "measure": "error_rate",
    "interval": INTERVAL,
    "success_condition": "result <= 0.01",
}
UP = {"name": "up", "type": "prometheus", "interval": 1}


@pytest.fixture(scope="module")
def shared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reused]:
    """Return a target for the tests of this file that need one host."""
    with reused(lab, tmp_path_factory.mktemp("canaries"), begin) as found:
        yield found


@pytest.fixture
def coloured(shared: Reused) -> Target:
    """Return a target on one host, on which a good release has all traffic."""
    return shared.ready()


def configure(target: Target, steps: list[dict[str, Any]], **more: Any) -> None:
    """Write fraises.yaml with a canary of these steps."""
    pace = {"healthy_deadline": 8, "canary": steps, "max_parallel": "100%", **more}
    target.configure({"strategy": "canary", "proxy": PROXY, "strategy_config": pace})


def begin(target: Target) -> None:
    """Give the hosts a proxy and a good version that serves."""
    configure(target, HELD)
    give_proxy(target)
    target.repository.commit("good")
    done = target.deploy("--strategy", "recreate")
    assert done.code == 0, done.said


@contextmanager
def paused(target: Target) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Deploy in a command of its own until it is paused; yield its process and deployment."""
    process = target.fraisier.execute("deploy", *NAMES)
    store = SqlStore.open(f"sqlite:///{target.folder / 'fraisier.db'}")
    waiting = Filter(*NAMES, status="in_progress")
    try:
        until(
            lambda: (
                process.poll() is not None
                or any(each.paused for each in store.deployments(waiting))
            ),
            120,
        )
        assert process.poll() is None, process.communicate()
        yield process, store.deployments(waiting)[0].id
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def more_answers(story: Story, number: int) -> float:
    """Wait for so many more answers, and return when they began."""
    seen, since = len(story.answers), time.monotonic()
    until(lambda: len(story.answers) > seen + number, 60)
    return since


@pytest.fixture(scope="module")
def prometheus(lab: Lab) -> Iterator[str]:
    """Return the URL, for the lab's hosts, of a real Prometheus that scrapes itself."""
    found = exec_in(lab.hosts[0].container, "ip", "route", "show", "default")
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


@pytest.mark.cpu_seconds(40, reason="a client asks for as long as two canaries take")
def test_a_client_sees_the_weights_of_a_canary_that_waits_for_a_person_and_no_bad_release(
    coloured: Target, prometheus: str
) -> None:
    """No request fails: neither in the steps, nor by a release that dies, nor in the rollback."""
    host, old = coloured.hosts[0], coloured.served(coloured.hosts[0])
    live = colours(coloured)["live"]
    held, timed = STEPS
    steps: list[dict[str, Any]] = [*HELD, {"weight": timed, "pause": PAUSE}]
    up = {"url": prometheus, "query": 'scalar(up{job="itself"})', "success_condition": "result > 0"}
    configure(coloured, steps, analysis=[ERRORS, {**UP, **up}])
    new = coloured.repository.commit("good", {"note": "second"})
    with asking(host.address) as story:
        with paused(coloured) as (process, deployment):
            assert sorted(weights(coloured).values()) == [held, 100 - held], "while it waits"
            shown = coloured.fraisier("status", *NAMES).out
            assert "in_progress (paused; see fraisier resume)" in shown
            since = more_answers(story, 100)
            assert abs(story.part(new, since) - held) <= TOLERANCE, story.text()
            assert coloured.fraisier("resume", deployment).code == 0
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
        until(lambda: story.settled_on(new))
        assert story.step(new, timed, TOLERANCE, PAUSE - 1, since) is not None, story.text()
        configure(coloured, [{"weight": held, "pause": PAUSE}])
        coloured.repository.commit("die")
        assert coloured.deploy().code == 5
        assert coloured.served(host) == new
        assert colours(coloured)["staged"] is None
        back = coloured.fraisier("rollback", *NAMES)
        assert back.code == 0, back.said
        until(lambda: story.settled_on(str(old)))
    assert story.failures == [], story.text()
    assert story.versions().keys() == {old, new}, "no client was sent to the release that died"
    assert "paused at 20 %" in err
    assert "it goes on, as cli:" in err
    assert "success" in out
    assert colours(coloured)["live"] == live
    late = coloured.fraisier("resume", deployment)
    assert (late.code, "has ended already" in late.said) == (8, True)


@pytest.mark.slow
def test_a_canary_that_fails_its_analysis_costs_no_more_than_its_part(coloured: Target) -> None:
    weight = STEPS[0]
    configure(coloured, [{"weight": weight, "pause": 20}], analysis=[ERRORS])
    version = coloured.repository.commit("proxied500")
    with asking(coloured.hosts[0].address) as story:
        until(lambda: len(story.answers) > 20)
        assert coloured.deploy().code == 5
        more_answers(story, 50)
    failed = [answer.at for answer in story.failures]
    assert failed, "it got its part"
    took = max(failed) - min(failed)
    assert took < 2 * INTERVAL, story.text()
    assert len(failed) <= weight / 100 * 50 * (took + 0.2) * 1.3, story.text()
    assert all(version in answer.wrong for answer in story.failures), story.text()
    after = colours(coloured)
    assert after["staged"] is None
    assert weights(coloured)[other(after["live"])] == 0
    assert running(coloured) == [f"my-api@{after['live']}.service"]


@pytest.mark.slow
def test_a_slow_canary_is_seen_by_its_latency(coloured: Target) -> None:
    slow = {**ERRORS, "name": "slow", "measure": "latency", "success_condition": "result < 0.2"}
    configure(coloured, [{"weight": 20, "pause": 20}], analysis=[slow])
    version = coloured.repository.commit("proxied-slow")
    with asking(coloured.hosts[0].address) as story:
        until(lambda: len(story.answers) > 20)
        assert coloured.deploy().code == 5
    assert story.failures == [], story.text()
    assert 0 < story.versions()[version] < 60, story.text()
    assert coloured.last()["status"] == "rolled_back"


def test_a_server_killed_in_a_canary_leaves_the_live_slot_all_traffic(coloured: Target) -> None:
    """I14: no request is lost, and the canary has its part for an interval at most."""
    host = coloured.hosts[0]
    live = colours(coloured)["live"]
    staged = other(live)
    alike = {**ERRORS, "success_condition": "result <= 1"}
    configure(coloured, [{"weight": 20, "pause": 60}], analysis=[alike])
    version = coloured.repository.commit("good", {"note": "killed"})
    with serving(coloured.fraisier, executed=True) as server, asking(host.address) as story:
        asked = server.deploy()
        until(lambda: colours(coloured)["staged"] == staged, 60)
        until(lambda: weights(coloured)[staged] == 20, 60)
        until(lambda: story.versions()[version] > 5, 60)
        secret = server.secret
        server.signal(signal.SIGKILL)
        killed = time.monotonic()
        server.process.wait(60)
        until(lambda: weights(coloured)[staged] == 0, 60)
        gone = more_answers(story, 50)
    last = max((a.at for a in story.answers if a.version == version), default=killed)
    assert last - killed < INTERVAL + 1.0, story.text()
    assert story.failures == [], story.text()
    assert story.versions(gone + 0.2)[version] == 0, "it has come back"
    with serving(coloured.fraisier, secret=secret) as server:
        ended = server.ended(asked)
        assert ended["status"] in ("interrupted", "rolled_back", "failed"), ended["reason"]
    assert weights(coloured) == {live: 100, staged: 0}
    unlocked = coloured.fraisier("unlock", *NAMES, "--reason", "seen")
    assert unlocked.code in (0, 1, 8)
    third = coloured.repository.commit("good", {"note": "third"})
    assert coloured.deploy("--strategy", "blue-green").code == 0
    assert coloured.served(host) == third


@pytest.mark.slow
def test_a_paused_canary_whose_command_is_killed_is_settled_with_all_traffic_back(
    coloured: Target,
) -> None:
    host, old = coloured.hosts[0], coloured.served(coloured.hosts[0])
    configure(coloured, HELD)
    coloured.repository.commit("good", {"note": "paused and killed"})
    with asking(host.address) as story, paused(coloured) as (process, deployment):
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        until(lambda: coloured.last()["status"] == "interrupted", 60)
    assert story.failures == [], story.text()
    shown = coloured.fraisier("--json", "show", deployment).json
    assert (shown["paused"], shown["status"]) == (False, "interrupted")
    live = colours(coloured)["live"]
    assert {name: weight for name, weight in weights(coloured).items() if weight} == {live: 100}
    assert coloured.served(host) == old
    assert coloured.fraisier("unlock", *NAMES, "--reason", "seen").code == 0
    third = coloured.repository.commit("good", {"note": "after the kill"})
    assert coloured.deploy("--strategy", "blue-green").code == 0
    assert coloured.served(host) == third


def test_a_canary_that_prometheus_cannot_judge_is_paused_and_gives_its_traffic_back_if_cancelled(
    coloured: Target, prometheus: str
) -> None:
    host, old = coloured.hosts[0], coloured.served(coloured.hosts[0])
    unclear = {"success_condition": "result[0] > 1", "failure_condition": "result[0] < 1"}
    query = {"query": 'up{job="itself"}', "url": prometheus}
    steps: list[dict[str, Any]] = [{"weight": 20, "pause": 2}]
    configure(coloured, steps, analysis=[{**UP, **query, **unclear}])
    coloured.repository.commit("good", {"note": "unclear"})
    with asking(host.address) as story, paused(coloured) as (process, deployment):
        assert sorted(weights(coloured).values()) == [20, 80], "what it has while it waits"
        assert coloured.fraisier("cancel", deployment).code == 0
        process.communicate(timeout=90)
        assert process.returncode == 9
        since = more_answers(story, 50)
        assert story.versions(since + 0.2).keys() == {old}
    assert story.failures == [], story.text()
    assert coloured.served(host) == old
    assert colours(coloured)["staged"] is None


THREE_HOSTS = pytest.mark.cpu_seconds(40, reason="three hosts, each with a proxy and two slots")


@pytest.mark.parametrize(
    ("hosts", "where"), [(2, 1), pytest.param(3, 0, marks=[pytest.mark.slow, THREE_HOSTS])]
)
def test_an_analysis_that_fails_on_one_host_takes_all_back(
    make_target: Callable[[int], Target], hosts: int, where: int
) -> None:
    fleet = make_target(hosts)
    begin(fleet)
    old, guilty = fleet.served(fleet.hosts[0]), fleet.hosts[where]
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
