"""`kill -9` of `fraisier serve` during a deployment: it ends, and what is told is true."""

from __future__ import annotations

import signal
import time

import pytest

from support.server import serving
from support.target import Target, until

#: The bar for a deployment to end after its server was started again.
RECOVERY_SECONDS = 60
BUILDING = "touch /tmp/killed-building; sleep 30"


@pytest.mark.parametrize("switched", [False, True], ids=["while-it-builds", "after-the-switch"])
def test_a_killed_server_comes_back_and_says_what_the_host_serves(
    target: Target, switched: bool
) -> None:
    """I3 I7 I14: terminal within 60 s, no step afterwards, `status` is what the host says."""
    host = target.hosts[0]
    first = target.repository.commit("good")
    with serving(target.fraisier) as server:
        assert server.ended(server.deploy())["status"] == "success"
        secret = server.secret
        assert server.stop() == 0
    target.inside(host, "rm -f /tmp/killed-building")
    slow_gate = {"health_check": {"type": "http", "url": "http://localhost:8000/nowhere"}}
    target.configure(**(slow_gate if switched else {"build": [BUILDING]}))
    second = target.repository.commit("http500" if switched else "good", {"note": "second"})
    with serving(target.fraisier, secret=secret) as server:
        before = target.current(host)
        asked = server.deploy()
        if switched:
            until(lambda: target.current(host) != before, 60)
        else:
            until(lambda: target.inside(host, "ls /tmp/killed-building || true"), 60)
        server.signal(signal.SIGKILL)
        server.process.wait(60)
    begun = time.monotonic()
    with serving(target.fraisier, secret=secret) as server:
        ended = server.ended(asked, RECOVERY_SECONDS)
        assert time.monotonic() - begun < RECOVERY_SECONDS
        assert ended["status"] == "interrupted", ended["reason"]
        again = server.send(
            "POST", "/deployments", {"fraise": "my_api", "environment": "production"}
        )
        assert again.status_code == 409, "held until a person has looked"
    told = target.fraisier("--json", "status", "my_api", "production").json["targets"][0]
    release = target.current(host).rpartition("/")[2]
    assert told["held_by"] == asked
    assert told["hosts"][0]["release"] == release
    assert told["hosts"][0]["version"] == (second if switched else first)
    left = target.inside(host, "pgrep -xc sleep || true")
    assert left == "0", "nothing of it runs on the host any more"
    assert target.fraisier("unlock", "my_api", "production", "--reason", "seen").code == 0
    target.configure()
    target.repository.commit("good", {"note": "third"})
    assert target.deploy().code == 0
