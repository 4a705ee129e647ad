"""Rolling over two hosts behind a proxy on a third: no request fails, whatever becomes of it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from fraisier.lab import LabHost
from support.client import asking
from support.command import Result
from support.server import serving
from support.target import Target, until

BUILDING = "touch /tmp/building; sleep 60"


class Behind:
    """Two hosts of `my_api production`, and the one that asks them in the name of all clients."""

    def __init__(self, target: Target) -> None:
        self.target = target
        *target.hosts, self.proxy = target.hosts

    def configure(self, environment: dict[str, object] | None = None, **provider: object) -> None:
        """Write fraises.yaml with both hosts, their proxy, and what else is given."""
        lab = self.target.lab
        login = {"username": "deploy", "ssh_key_path": str(lab.key)}
        hosts = [
            {"hostname": host.address, "private_address": self.inner(host), **login}
            for host in self.target.hosts
        ]
        proxy = {
            "hosts": [{"hostname": self.proxy.address, **login}],
            "port": 8000,
            "app_port": 8000,
            "health_path": "/health",
            "drain": 5,
        }
        self.target.configure({"proxy": proxy, **(environment or {})}, hosts=hosts, **provider)

    def begin(self) -> None:
        """Deploy a good version to both hosts at once, and then put the proxy in front of them."""
        self.target.repository.commit("good")
        first = self.target.deploy("--strategy", "recreate")
        assert first.code == 0, first.said
        self.configure()
        done = self.target.fraisier("setup", "my_api", "production", "--yes")
        assert done.code == 0, done.said
        until(lambda: all(line.endswith(" UP") for line in self.weights()), 60)

    def inner(self, host: LabHost) -> str:
        """Return the address by which the lab's hosts reach each other."""
        return self.target.inside(host, "hostname -I").split()[0]

    def weights(self) -> list[str]:
        """Return what the proxy's HAProxy says of each server: its name, its state."""
        command = (
            "printf 'show stat\\n' | nc -U /run/fraisier-proxy/admin.sock 2>/dev/null || "
            'python3 -c "import socket; s=socket.socket(socket.AF_UNIX); '
            "s.connect('/run/fraisier-proxy/admin.sock'); s.sendall(b'show stat\\n'); "
            "print(b''.join(iter(lambda: s.recv(65536), b'')).decode())\""
        )
        lines = self.target.inside(self.proxy, command).splitlines()
        rows = [line.split(",") for line in lines if line.startswith("my_api.production,")]
        return [f"{row[1]} {row[17]}" for row in rows if row[1] not in ("BACKEND", "FRONTEND")]


@pytest.fixture
def behind(make_target: Callable[[int], Target]) -> Behind:
    """Return two hosts with a proxy in front that was set up, and a first version."""
    target = make_target(3)
    found = Behind(target)
    target.configure()
    found.begin()
    return found


@pytest.mark.cpu_seconds(50, reason="each batch is drained, deployed and undrained on real hosts")
def test_a_good_release_and_a_bad_one_cost_no_request(behind: Behind) -> None:
    target = behind.target
    with asking(behind.proxy.address) as story:
        until(lambda: len(story.answers) > 50)
        second = target.repository.commit("good", {"note": "second"})
        good = target.deploy()
        assert good.code == 0, good.said
        until(lambda: story.part(second, story.answers[-1].at - 0.5) == 100)
        bad = target.repository.commit("http500")
        failed: Result = target.deploy()
        assert failed.code == 5, failed.said
        until(lambda: len(story.answers) > 300)
    assert story.failures == [], story.text()
    assert bad not in story.versions(), "no client was ever sent to the bad release"
    assert target.last()["status"] == "rolled_back"
    assert [target.served(host) for host in target.hosts] == [second] * 2
    assert sorted(line.split()[-1] for line in behind.weights()) == ["UP", "UP"], (
        "both get requests"
    )


@pytest.mark.slow
@pytest.mark.cpu_seconds(50, reason="each batch is drained, deployed and undrained on real hosts")
def test_a_server_that_is_killed_leaves_nobody_drained(behind: Behind) -> None:
    target = behind.target
    behind.configure(build=[BUILDING])
    target.repository.commit("good", {"note": "slow"})
    first = target.hosts[0]
    with asking(behind.proxy.address) as story:
        with serving(target.fraisier, executed=True) as server:
            asked = server.deploy()
            until(lambda: target.inside(first, "ls /tmp/building || true"), 60)
            assert any(not line.endswith(" UP") for line in behind.weights()), "one is drained"
            server.signal(signal.SIGKILL)
            server.process.wait(60)
        with serving(target.fraisier) as server:
            ended = server.ended(asked, 60)
            assert ended["status"] == "interrupted", ended["reason"]
        until(lambda: all(line.endswith(" UP") for line in behind.weights()))
    assert story.failures == [], story.text()
    target.inside(first, "rm -f /tmp/building")
