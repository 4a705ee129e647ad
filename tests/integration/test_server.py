"""A real server and real hosts: it works side by side, keeps nothing, and stops as it is asked to.

Cancelling and rolling back are in test_cli_both_ways and test_generated_client, a server's death in
test_killed_server.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import yaml

from fraisier.runner.files import REQUEST
from fraisier.runner.folder import PREFIX, base
from support.server import Server, serving
from support.target import Target, until

#: A build that goes on for as long as there is a file on its host.
BUILD = "touch /tmp/building; while [ -e /tmp/hold ]; do sleep 0.1; done"


def building(target: Target, index: int) -> bool:
    """True while a build has begun on a host."""
    look = "test -e /tmp/building && echo yes || true"
    return target.inside(target.hosts[index], look) == "yes"


def hold(target: Target, index: int) -> None:
    """Let builds on a host go on until `let_go`."""
    target.inside(target.hosts[index], "rm -f /tmp/building; touch /tmp/hold")


def let_go(target: Target, index: int) -> None:
    """Let a build on a host end."""
    target.inside(target.hosts[index], "rm -f /tmp/hold /tmp/building")


@pytest.fixture
def two(make_target: Callable[[int], Target]) -> Target:
    """Return targets `production` on the first host and `staging` on the second."""
    target = make_target(2)
    target.configure(build=[BUILD])
    path = target.folder / "fraises.yaml"
    document = yaml.safe_load(path.read_text())
    environments = document["fraises"]["my_api"]["environments"]
    production = environments["production"]
    hosts = production["provider_config"]["hosts"]
    for name, host in (("production", hosts[0]), ("staging", hosts[1])):
        environments[name] = {
            **production,
            "provider_config": {**production["provider_config"], "hosts": [host]},
        }
    path.write_text(yaml.safe_dump(document))
    for index in (0, 1):
        let_go(target, index)
    return target


@pytest.mark.slow
def test_targets_are_changed_side_by_side_and_nothing_is_kept_of_runs(two: Target) -> None:
    sha = two.repository.commit("good")
    with serving(two.fraisier, executed=True) as server:
        for index in (0, 1):
            hold(two, index)
        ids = [server.deploy(name) for name in ("production", "staging")]
        until(lambda: building(two, 0) and building(two, 1), 60)
        assert [server.show(each)["status"] for each in ids] == ["in_progress"] * 2
        for index in (0, 1):
            let_go(two, index)
        for each, host in zip(ids, two.hosts, strict=True):
            check_success(server, each, sha)
            assert two.served(host) == sha
        again = server.ended(server.deploy())
        assert again["status"] == "success"
        assert "nothing was changed" in again["reason"]
        pid = server.process.pid
        (forks,) = _children(pid)  # what its runs are forked from
        until(lambda: _children(pid) == [forks] and _children(forks) == [], 60)
        assert not list(base().glob(f"{PREFIX}{pid}-*/{REQUEST}"))
        assert server.stop() == 0
    assert not list(base().glob(f"{PREFIX}{pid}-*"))
    assert not Path(f"/proc/{forks}").exists()
    said = server.log.read_text()
    assert "Traceback" not in said
    assert server.secret not in said


def check_success(server: Server, deployment: str, sha: str) -> None:
    """A request was carried out, and its story can be read."""
    ended = server.ended(deployment)
    assert (ended["status"], ended["version"]) == ("success", sha), ended["reason"]
    assert ended["hosts"][0]["state"] == "changed"
    events = server.send("GET", f"/deployments/{deployment}/events").json()
    assert [each["sequence"] for each in events["events"]] == [*range(1, events["total"] + 1)]


def test_a_stop_lets_what_runs_end_and_a_second_signal_cancels_it(two: Target) -> None:
    good = two.repository.commit("good")
    assert two.deploy().code == 0
    newer = two.repository.commit("good", {"note": "newer"})
    hold(two, 1)
    with serving(two.fraisier, "--concurrency", "1", executed=True) as server:
        running, waiting = server.deploy("staging"), server.deploy("production")
        until(lambda: building(two, 1), 60)
        assert server.show(waiting)["status"] == "pending"
        ask_to_stop(server)
        assert server.show(running)["status"] == "in_progress", "it still answers"
        wish = {"fraise": "my_api", "environment": "production"}
        assert server.send("POST", "/deployments", wish).status_code == 503
        let_go(two, 1)
        assert server.process.wait(120) == 0, server.log.read_text()
    assert two.served(two.hosts[1]) == newer
    assert two.served(two.hosts[0]) == good, "what waited did not begin"

    hold(two, 0)
    with serving(two.fraisier, secret=server.secret, executed=True) as server:
        assert server.show(running)["status"] == "success"
        until(lambda: building(two, 0), 60)
        ask_to_stop(server)
        server.signal(signal.SIGTERM)
        assert server.process.wait(120) == 0, server.log.read_text()
    ended = two.fraisier("--json", "show", waiting).json
    assert ended["status"] == "cancelled", ended["reason"]
    assert two.served(two.hosts[0]) == good
    assert two.inside(two.hosts[0], "pgrep -fx 'sleep 0.1' || true") == ""


def ask_to_stop(server: Server) -> None:
    """Send SIGTERM, and wait until the server says that it stops."""
    server.signal(signal.SIGTERM)
    until(lambda: requests.get(f"{server.url}/health/ready", timeout=5).status_code == 503, 60)


def _children(pid: int) -> list[int]:
    """Return what the threads of a process have started and not collected, zombies too."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found
