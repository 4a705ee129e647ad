"""What must not decide whether a release is gone back to, or kept: contact, checks, clean-up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import scenarios

from support.target import APP_PATH, Target, until

#: No version of the service ever answers so.
GONE = {"type": "http", "url": "http://localhost:8000/health", "status": 404, "timeout": 2}


def require_rolled_back(target: Target, good: str) -> None:
    """Fail unless the last deployment was rolled back, and the target waits for nobody."""
    last = target.last()
    assert last["status"] == "rolled_back", last["reason"]
    until(lambda: target.served(target.hosts[0]) == good)
    (state,) = target.fraisier("--json", "status", "my_api", "production").json["targets"]
    assert state["held_by"] is None
    assert state["hosts"][0]["known"] is True
    assert state["hosts"][0]["version"] == good


@pytest.mark.cpu_seconds(40, reason="five deployments tell one story on one host")
def test_what_is_not_the_releases_fault_decides_nothing(target: Target) -> None:
    host = target.hosts[0]
    good = scenarios.first_deployment(target)

    # a new commit and an edited check: the release before is judged by its own
    target.repository.commit("good", {"note": "second"})
    target.configure(health_check=GONE)
    assert target.deploy().code == 5
    require_rolled_back(target, good)

    # the SSH server is away for 12 s, from right after the switch on
    target.configure(keep_releases=2)
    before = target.current(host)
    bad = target.repository.commit("http500")
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(target.deploy)
        until(lambda: target.current(host) != before)
        target.inside(
            host,
            "systemd-run --collect sh -c 'systemctl stop ssh.socket ssh.service;"
            "pkill -KILL sshd; sleep 12; systemctl start ssh.service'",
        )
        assert running.result().code == 5
    require_rolled_back(target, good)

    # an old release that cannot be removed: the new one runs
    (old,) = [name for name in target.releases(host) if bad[:7] in name]
    stuck = f"{APP_PATH}/releases/{old}/mounted"
    target.inside(host, f"mkdir {stuck} && mount -t tmpfs none {stuck}")
    try:
        for number in (1, 2):
            newer = target.repository.commit("good", {"note": f"newer {number}"})
            deployed = target.deploy()
            assert deployed.code == 0, deployed.said
            assert target.served(host) == newer
            assert stuck in deployed.err
    finally:
        target.inside(host, f"umount {stuck}")
    target.repository.commit("good", {"note": "last"})
    assert "warning" not in target.deploy().said
    assert old not in target.releases(host)
