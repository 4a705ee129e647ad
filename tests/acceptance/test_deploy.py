"""Deployments on real systemd hosts, with the shipped defaults and the real runner."""

from __future__ import annotations

from pathlib import Path

import pytest
import scenarios

from fraisier.runner.folder import PREFIX, base
from support.target import APP_PATH, Target, until, watched

SECRET = "a-secret-that-must-stay-out-of-everything"


def test_a_first_deployment_the_same_again_a_newer_one_and_back(target: Target) -> None:
    """Each release has its own unit and environment, and goes back with them."""
    host = target.hosts[0]
    target.configure(env_vars={"PORT": "8000", "COLOUR": "blue"})
    old = scenarios.first_deployment(target)
    assert old == target.last()["version"]

    look = f"readlink {APP_PATH}/current; systemctl show -p MainPID my-api; ls {APP_PATH}/releases"
    before = target.inside(host, look)
    again = target.deploy()
    assert again.code == 0, again.said
    assert "nothing was changed" in again.said
    assert target.inside(host, look) == before

    green = {"PORT": "8000", "COLOUR": "green"}
    target.configure(env_vars=green, exec=["/usr/bin/python3", "-B", "app.py"])
    newer = target.repository.commit("good", {"note": "newer"})
    upgrade = target.deploy()
    assert upgrade.code == 0, upgrade.said
    assert target.served(host) == newer
    assert len(target.releases(host)) == 2
    look = "tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID my-api)/environ"
    assert "COLOUR=green" in target.inside(host, look)

    back = target.fraisier("rollback", "my_api", "production", "--reason", "green is ugly")
    assert back.code == 0, back.said
    assert target.served(host) == old
    assert "COLOUR=blue" in target.inside(host, look)
    assert " -B " not in target.inside(host, "systemctl cat my-api")
    assert target.last()["kind"] == "rollback"


def test_a_release_that_is_not_healthy_is_rolled_back(target: Target) -> None:
    """One that hangs or dies; test_cli_both_ways has one that answers with errors."""
    good = scenarios.first_deployment(target)
    for behaviour in ("hang", "die"):
        scenarios.check_goes_back(target, good, behaviour)


def test_what_cannot_run_leaves_nothing_on_a_bare_host(target: Target) -> None:
    """A missing secret ends a deployment before any host is touched, a bad release afterwards."""
    host = target.hosts[0]
    target.repository.commit("http500")
    target.configure(env_vars={"TEST_SECRET": {"env": "NOT_SET_ANYWHERE"}})
    result = target.deploy()
    assert result.code == 5
    assert "NOT_SET_ANYWHERE" in result.said
    assert target.inside(host, f"ls -d {APP_PATH} 2>/dev/null || true") == ""

    target.configure()
    result = target.deploy()
    assert result.code == 5
    assert target.last()["status"] == "failed"
    assert target.unit_state(host) != "active"
    assert target.current(host) == ""


@pytest.mark.cpu_seconds(40, reason="a client polls three hosts while they are updated")
def test_three_hosts_roll_one_at_a_time_and_go_back_everywhere_while_two_serve(
    fleet: Target,
) -> None:
    scenarios.first_deployment(fleet)
    newer = fleet.repository.commit("good", {"note": "newer"})
    with watched(fleet.hosts) as watch:
        result = fleet.deploy()
    assert result.code == 0, result.said
    assert [fleet.served(host) for host in fleet.hosts] == [newer] * 3
    assert watch.looks > 20
    assert watch.stalls <= 3, watch.story()
    assert watch.fewest >= 2, watch.story()
    scenarios.check_roll_out_with_a_bad_second_host(fleet, newer)


def test_only_so_many_releases_are_kept(target: Target) -> None:
    scenarios.first_deployment(target)
    target.configure(keep_releases=2)
    for number in range(2):
        target.repository.commit("good", {"number": str(number)})
        assert target.deploy().code == 0
    assert len(target.releases(target.hosts[0])) == 2


def test_a_secret_is_on_the_host_for_root_only_and_nowhere_else(target: Target) -> None:
    target.configure(env_vars={"PORT": "8000", "TEST_SECRET": {"env": "THE_SECRET"}})
    target.repository.commit("good")
    result = target.fraisier("-vv", "--json", "deploy", "my_api", "production", THE_SECRET=SECRET)
    assert result.code == 0, result.said
    assert SECRET not in result.said
    host = target.hosts[0]
    found = target.inside(host, f"grep -rl {SECRET} {APP_PATH} /etc /var/log /tmp 2>/dev/null")
    assert found, "the secret should be in the environment file"
    for path in found.split():
        assert target.inside(host, f"stat -c '%a %U' {path}") == "600 root", path
    for path in target.folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_another_installation_that_works_on_a_host_is_respected(target: Target) -> None:
    scenarios.check_held_by_another_installation(target)


def test_ctrl_c_stops_everything_and_the_old_release_serves(target: Target) -> None:
    scenarios.check_cancelled_at_terminal(target, scenarios.press_ctrl_c)


@pytest.mark.slow
def test_a_closed_terminal_stops_everything_and_the_old_release_serves(target: Target) -> None:
    scenarios.check_cancelled_at_terminal(target, scenarios.close_terminal)


def test_a_command_that_is_killed_leaves_a_true_record_and_nothing_running(
    target: Target,
) -> None:
    good = scenarios.first_deployment(target)
    host = target.hosts[0]
    target.configure(build=["touch /tmp/started; sleep 300; touch /tmp/went-on"])
    target.repository.commit("good", {"note": "slow"})
    process = target.fraisier.execute("deploy", "my_api", "production")
    until(lambda: target.inside(host, "test -e /tmp/started && echo yes || true") == "yes", 60)
    assert _processes_of_run(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not _processes_of_run(process.pid), 60)
    until(lambda: not list(base().glob(f"{PREFIX}{process.pid}-*")), 60)  # its folder holds secrets
    assert target.last()["status"] == "interrupted"
    refused = target.deploy()
    assert refused.code == 8, refused.said
    assert "unlock" in refused.said
    unlocked = target.fraisier("unlock", "my_api", "production", "--reason", "I looked")
    assert unlocked.code == 0, unlocked.said
    target.configure()
    again = target.deploy()
    assert again.code == 0, again.said
    assert target.served(host) != good
    assert target.inside(host, "pgrep -f '[s]leep 300' || true") == ""
    assert target.inside(host, "ls /tmp/went-on 2>/dev/null || true") == ""
    target.inside(host, "rm -f /tmp/started")


def test_a_second_command_waits_for_the_first(target: Target) -> None:
    host, go = target.hosts[0], "/tmp/let-it-go-on"
    target.configure(build=[f"while [ ! -e {go} ]; do sleep 0.1; done"])
    target.repository.commit("good")
    first, second = (target.fraisier.start("deploy", "my_api", "production") for _ in range(2))
    until(lambda: _under_way(target) == ["in_progress", "pending"], 60)
    target.inside(host, f"touch {go}")
    ends = [process.communicate(timeout=120) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), ends
    (waited,) = [out + err for out, err in ends if "waiting: dep_" in err]
    assert "nothing was changed" in waited
    target.inside(host, f"rm {go}")


def _processes_of_run(pid: int) -> list[int]:
    """Return what runs on this machine for a command that had this pid."""
    mark = f"FRAISIER_RUN={base()}/{PREFIX}{pid}-".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended
    return found


def _under_way(target: Target) -> list[str]:
    found = target.fraisier("--json", "history")
    return sorted(each["status"] for each in found.json["deployments"]) if found.code == 0 else []
