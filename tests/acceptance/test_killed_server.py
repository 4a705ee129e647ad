"""`kill -9` of `fraisier serve` during deployments: they end, and their records are true."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from fraisier.runner.folder import PREFIX, base
from support.server import Server, serving
from support.target import Target, until

#: The bar for a deployment to end after its server was started again.
RECOVERY_SECONDS = 60
BUILDING = "touch /tmp/killed-building; sleep 300"
#: A health check that is still tried when the server is killed.
NOWHERE = {"health_check": {"type": "http", "url": "http://localhost:8000/nowhere"}}
PATIENT = {"strategy_config": {"healthy_deadline": 300}}


@pytest.mark.slow
@pytest.mark.cpu_seconds(40, reason="eight deployments on three hosts, and two servers")
def test_a_killed_server_says_what_hosts_serve_and_its_queue_goes_on(fleet: Target) -> None:
    """I3 I7 I14: terminal within 60 s, no step afterwards, `status` is what the host says.

    One deployment is killed after the switch, one while it builds, and one waits.
    """
    for host in fleet.hosts:
        fleet.inside(host, "rm -f /tmp/killed-building")
    split(fleet)
    first = fleet.repository.commit("good")
    assert fleet.deploy().code == 0
    second = fleet.repository.commit("good", {"note": "second"})
    split(fleet, production=NOWHERE, staging={"build": [BUILDING]})
    before = fleet.current(fleet.hosts[0])
    with serving(fleet.fraisier, "--concurrency", "2", executed=True) as server:
        switched, built, waiting = (server.deploy(n) for n in ("production", "staging", "preview"))
        until(lambda: fleet.current(fleet.hosts[0]) != before, 60)
        until(lambda: fleet.inside(fleet.hosts[1], "ls /tmp/killed-building || true"), 60)
        assert server.show(waiting)["status"] == "pending"
        server.signal(signal.SIGKILL)
        server.process.wait(60)
        until(lambda: not list(base().glob(f"{PREFIX}{server.process.pid}-*")), 60)
    begun = time.monotonic()
    with serving(fleet.fraisier, secret=server.secret) as server:
        for asked, environment in ((switched, "production"), (built, "staging")):
            ended = server.ended(asked, RECOVERY_SECONDS)
            assert ended["status"] == "interrupted", ended["reason"]
            check_held(fleet, server, asked, environment)
        assert time.monotonic() - begun < RECOVERY_SECONDS
        went_on = server.ended(waiting, 120)
        assert went_on["status"] == "success", went_on["reason"]
        assert fleet.served(fleet.hosts[2]) == second
    (told,) = status(fleet, "production")["hosts"]
    assert told["version"] == second != first
    assert told["release"] == fleet.current(fleet.hosts[0]).rpartition("/")[2]
    assert fleet.served(fleet.hosts[1]) is None
    for host in fleet.hosts:
        left = fleet.inside(host, "pgrep -xc sleep || true")
        assert left == "0", "nothing of it runs on the host any more"
    split(fleet)
    third = fleet.repository.commit("good", {"note": "third"})
    for environment, host in (("production", fleet.hosts[0]), ("staging", fleet.hosts[1])):
        done = fleet.fraisier("deploy", "my_api", environment)
        assert done.code == 0, done.said
        assert fleet.served(host) == third


def split(fleet: Target, **changes: Mapping[str, object]) -> None:
    """Make each host an environment of its own; `changes` are parts of their providers."""
    fleet.configure(PATIENT)
    path = fleet.folder / "fraises.yaml"
    document = yaml.safe_load(path.read_text())
    environments = document["fraises"]["my_api"]["environments"]
    common = environments["production"]
    provider = common["provider_config"]
    names = ("production", "staging", "preview")
    for name, host in zip(names, provider["hosts"], strict=True):
        mine = {**provider, "hosts": [host], **changes.get(name, {})}
        environments[name] = {**common, "provider_config": mine}
    path.write_text(yaml.safe_dump(document))


def check_held(fleet: Target, server: Server, deployment: str, environment: str) -> None:
    """A target is held by an interrupted deployment until a person has looked."""
    wish = {"fraise": "my_api", "environment": environment}
    assert server.send("POST", "/deployments", wish).status_code == 409
    assert status(fleet, environment)["held_by"] == deployment
    path = f"/fraises/my_api/environments/{environment}/unlock"
    assert server.send("POST", path, {"reason": "seen"}).json() == {"released": deployment}


def status(fleet: Target, environment: str) -> dict[str, Any]:
    """Return what `status` says of a target."""
    shown = fleet.fraisier("--json", "status", "my_api", environment).json["targets"]
    return dict(shown[0])
