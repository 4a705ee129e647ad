"""A real server and real hosts: requests are carried out, stopped, and survive its death."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import requests
import yaml

from fraisier.runner.files import REQUEST
from fraisier.runner.folder import PREFIX, base
from support.server import serving
from support.target import Target, until

SLOW = "touch /tmp/building; sleep {}; touch /tmp/built"


def building(target: Target, index: int = 0) -> bool:
    """True while a slow build has begun on a host."""
    look = "test -e /tmp/building && echo yes || true"
    return target.inside(target.hosts[index], look) == "yes"


@pytest.fixture(autouse=True)
def nothing_left(fleet: Target) -> None:
    """Remove what slow builds leave, before they begin."""
    for host in fleet.hosts:
        fleet.inside(host, "rm -f /tmp/building /tmp/built")


@pytest.fixture
def two(fleet: Target) -> Target:
    """Return targets `production` on the first host and `staging` on the second."""
    split(fleet)
    return fleet


def split(fleet: Target, **provider: object) -> None:
    """Configure the first host as production, the second as staging."""
    fleet.configure(**provider)
    path = fleet.folder / "fraises.yaml"
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


def test_a_request_is_carried_out_and_its_story_can_be_read(two: Target) -> None:
    sha = two.repository.commit("good")
    with serving(two.fraisier) as server:
        asked = server.deploy()
        ended = server.ended(asked)
        assert (ended["status"], ended["version"]) == ("success", sha), ended["reason"]
        assert ended["hosts"][0]["state"] == "changed"
        assert two.served(two.hosts[0]) == sha
        events = server.send("GET", f"/deployments/{asked}/events").json()
        assert [each["sequence"] for each in events["events"]] == [*range(1, events["total"] + 1)]
        again = server.ended(server.deploy())
        assert again["status"] == "success"
        assert "nothing was changed" in again["reason"]
        assert server.stop() == 0
    said = server.log.read_text()
    assert "Traceback" not in said
    assert server.secret not in said


def test_a_bad_version_goes_back_and_a_rollback_can_be_asked_for(two: Target) -> None:
    first = two.repository.commit("good")
    with serving(two.fraisier) as server:
        assert server.ended(server.deploy())["status"] == "success"
        second = two.repository.commit("good", {"note": "second"})
        assert server.ended(server.deploy())["status"] == "success"
        two.repository.commit("http500")
        bad = server.ended(server.deploy())
        assert bad["status"] == "rolled_back", bad["reason"]
        assert two.served(two.hosts[0]) == second
        answer = server.send("POST", f"/deployments/{bad['id']}/rollback", {"reason": "older"})
        back = server.ended(answer.json()["id"])
        assert (back["kind"], back["status"]) == ("rollback", "success"), back["reason"]
        assert two.served(two.hosts[0]) == first


def test_targets_are_changed_side_by_side(two: Target) -> None:
    split(two, build=["sleep 3"])
    sha = two.repository.commit("good")
    with serving(two.fraisier) as server:
        ids = [server.deploy(name) for name in ("production", "staging")]
        ended = [server.ended(each) for each in ids]
    assert [each["status"] for each in ended] == ["success", "success"]
    assert max(each["started_at"] for each in ended) < min(each["completed_at"] for each in ended)
    assert [two.served(host) for host in two.hosts[:2]] == [sha, sha]


def test_a_cancel_stops_what_runs_and_the_old_release_serves(two: Target) -> None:
    good = two.repository.commit("good")
    host = two.hosts[0]
    with serving(two.fraisier) as server:
        assert server.ended(server.deploy())["status"] == "success"
    split(two, build=[SLOW.format(60)])
    two.repository.commit("good", {"note": "slow"})
    with serving(two.fraisier, secret=server.secret) as server:
        asked, waiting = server.deploy(), server.deploy()
        until(lambda: building(two))
        assert server.show(waiting)["blocked_by"] == asked
        assert server.send("POST", f"/deployments/{waiting}/cancel").status_code == 200
        assert server.send("POST", f"/deployments/{asked}/cancel").status_code == 202
        ended = server.ended(asked, seconds=30)
        assert ended["status"] == "cancelled", ended["reason"]
        assert two.inside(host, "pgrep -f '[s]leep 60' || true") == ""
        assert two.inside(host, "ls /tmp/built 2>/dev/null || true") == ""
        assert two.served(host) == good
        assert not list(base().glob(f"{PREFIX}{server.process.pid}-*/{REQUEST}"))
        late = server.send("POST", f"/deployments/{asked}/cancel")
        assert late.status_code == 409


def test_a_killed_server_leaves_true_records_and_its_queue_goes_on(two: Target) -> None:
    split(two, build=[SLOW.format(8)])
    sha = two.repository.commit("good")
    with serving(two.fraisier, "--concurrency", "1") as server:
        begun, waiting = server.deploy("production"), server.deploy("staging")
        until(lambda: building(two))
        server.signal(signal.SIGKILL)
        server.process.wait()
        until(lambda: not list(base().glob(f"{PREFIX}{server.process.pid}-*")), 60)
    split(two)
    with serving(two.fraisier, secret=server.secret) as server:
        assert server.ended(begun)["status"] == "interrupted"
        went_on = server.ended(waiting, seconds=90)
        assert went_on["status"] == "success", went_on["reason"]
        assert two.served(two.hosts[1]) == sha
        assert building(two, 1), "what was frozen at the request ran: the slow build"
        wish = {"fraise": "my_api", "environment": "production"}
        assert server.send("POST", "/deployments", wish).status_code == 409
        path = "/fraises/my_api/environments/production/unlock"
        unlocked = server.send("POST", path, {"reason": "I looked"})
        assert unlocked.json() == {"released": begun}
        assert server.ended(server.deploy())["status"] == "success"
        assert two.served(two.hosts[0]) == sha


def test_a_stop_lets_what_runs_end_and_leaves_the_rest_for_the_next_server(two: Target) -> None:
    split(two, build=[SLOW.format(4)])
    sha = two.repository.commit("good")
    with serving(two.fraisier, "--concurrency", "1") as server:
        running, waiting = server.deploy("production"), server.deploy("staging")
        until(lambda: building(two))
        server.signal(signal.SIGTERM)
        until(lambda: requests.get(f"{server.url}/health/ready", timeout=5).status_code == 503)
        assert server.show(running)["status"] == "in_progress", "it still answers"
        wish = {"fraise": "my_api", "environment": "production"}
        assert server.send("POST", "/deployments", wish).status_code == 503
        assert server.process.wait(60) == 0, server.log.read_text()
    assert two.served(two.hosts[0]) == sha
    assert two.served(two.hosts[1]) is None
    with serving(two.fraisier, secret=server.secret) as server:
        assert server.show(running)["status"] == "success"
        assert server.ended(waiting)["status"] == "success"


def test_a_second_signal_cancels_what_runs(two: Target) -> None:
    good = two.repository.commit("good")
    with serving(two.fraisier) as server:
        assert server.ended(server.deploy())["status"] == "success"
    split(two, build=[SLOW.format(60)])
    two.repository.commit("good", {"note": "slow"})
    with serving(two.fraisier, secret=server.secret) as server:
        asked = server.deploy()
        until(lambda: building(two))
        server.signal(signal.SIGTERM)
        until(lambda: requests.get(f"{server.url}/health/ready", timeout=5).status_code == 503)
        server.signal(signal.SIGTERM)
        assert server.process.wait(60) == 0, server.log.read_text()
    ended = two.fraisier("--json", "show", asked).json
    assert ended["status"] == "cancelled", ended["reason"]
    assert two.served(two.hosts[0]) == good
    assert two.inside(two.hosts[0], "pgrep -f '[s]leep 60' || true") == ""


def test_a_server_keeps_nothing_of_its_runs(two: Target) -> None:
    two.repository.commit("good")
    with serving(two.fraisier) as server:
        for environment in ("production", "staging", "production"):
            assert server.ended(server.deploy(environment))["status"] == "success"
        pid = server.process.pid
        (forks,) = _children(pid)  # what its runs are forked from
        until(lambda: _children(pid) == [forks] and _children(forks) == [], 60)
        assert not list(base().glob(f"{PREFIX}{pid}-*/{REQUEST}"))
    assert not list(base().glob(f"{PREFIX}{pid}-*"))
    assert not Path(f"/proc/{forks}").exists()


def _children(pid: int) -> list[int]:
    """Return what the threads of a process have started and not collected, zombies too."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found
