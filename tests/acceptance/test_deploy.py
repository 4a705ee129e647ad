"""Deployments on real systemd hosts, with the shipped defaults and the real runner."""

from __future__ import annotations

from pathlib import Path

import pytest
import scenarios

from fraisier.runner.folder import PREFIX, base
from support.target import APP_PATH, Target, until, watched

SECRET = "a-secret-that-must-stay-out-of-everything"


def test_a_first_deployment_serves_as_the_service_user(target: Target) -> None:
    assert scenarios.first_deployment(target) == target.last()["version"]


def test_an_upgrade_serves_the_new_version_and_keeps_the_old(target: Target) -> None:
    scenarios.first_deployment(target)
    newer = target.repository.commit("good", {"note": "newer"})
    result = target.deploy()
    assert result.code == 0, result.said
    assert target.served(target.hosts[0]) == newer
    assert len(target.releases(target.hosts[0])) == 2


def test_the_same_version_again_changes_nothing(target: Target) -> None:
    scenarios.first_deployment(target)
    host = target.hosts[0]
    look = f"readlink {APP_PATH}/current; systemctl show -p MainPID my-api; ls {APP_PATH}/releases"
    before = target.inside(host, look)
    result = target.deploy()
    assert result.code == 0, result.said
    assert "nothing was changed" in result.said
    assert target.inside(host, look) == before


@pytest.mark.parametrize("behaviour", ["http500", "hang", "die"])
def test_a_release_that_is_not_well_is_rolled_back(target: Target, behaviour: str) -> None:
    scenarios.check_bad_release(target, behaviour)


def test_a_first_release_that_is_not_well_is_stopped_and_leaves_nothing(target: Target) -> None:
    target.repository.commit("http500")
    result = target.deploy()
    assert result.code == 5, result.said
    assert target.last()["status"] == "failed"
    assert target.unit_state(target.hosts[0]) != "active"
    assert target.current(target.hosts[0]) == ""


def test_three_hosts_roll_one_at_a_time_and_two_always_serve(fleet: Target) -> None:
    scenarios.first_deployment(fleet)
    newer = fleet.repository.commit("good", {"note": "newer"})
    with watched(fleet.hosts) as watch:
        result = fleet.deploy()
    assert result.code == 0, result.said
    assert [fleet.served(host) for host in fleet.hosts] == [newer] * 3
    assert watch.looks > 20
    assert watch.stalls <= 3, watch.story()
    assert watch.fewest >= 2, watch.story()


def test_a_roll_out_whose_second_host_is_bad_goes_back_everywhere(fleet: Target) -> None:
    scenarios.check_roll_out_with_a_bad_second_host(fleet)


def test_going_back_restores_the_release_with_its_own_unit_and_environment(
    target: Target,
) -> None:
    target.configure(env_vars={"PORT": "8000", "COLOUR": "blue"})
    old = scenarios.first_deployment(target)
    target.configure(
        env_vars={"PORT": "8000", "COLOUR": "green"}, exec=["/usr/bin/python3", "-B", "app.py"]
    )
    target.repository.commit("good", {"note": "newer"})
    assert target.deploy().code == 0
    host = target.hosts[0]
    look = "tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID my-api)/environ"
    assert "COLOUR=green" in target.inside(host, look)
    result = target.fraisier("rollback", "my_api", "production", "--reason", "green is ugly")
    assert result.code == 0, result.said
    assert target.served(host) == old
    assert "COLOUR=blue" in target.inside(host, look)
    assert " -B " not in target.inside(host, "systemctl cat my-api")
    assert target.last()["kind"] == "rollback"


def test_only_so_many_releases_are_kept(target: Target) -> None:
    target.configure(keep_releases=2)
    for number in range(4):
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


def test_a_missing_secret_is_told_before_any_host_is_touched(target: Target) -> None:
    target.configure(env_vars={"TEST_SECRET": {"env": "NOT_SET_ANYWHERE"}})
    target.repository.commit("good")
    result = target.deploy()
    assert result.code == 5
    assert "NOT_SET_ANYWHERE" in result.said
    assert target.inside(target.hosts[0], f"ls -d {APP_PATH} 2>/dev/null || true") == ""


def test_another_installation_that_works_on_a_host_is_respected(target: Target) -> None:
    scenarios.check_held_by_another_installation(target)


def test_ctrl_c_stops_everything_and_the_old_release_serves(target: Target) -> None:
    scenarios.check_cancelled_by_ctrl_c(target)


def test_a_timeout_cancels_and_exits_with_seven(target: Target) -> None:
    good = scenarios.first_deployment(target)
    target.configure(build=["sleep 60"])
    target.repository.commit("good", {"note": "slow"})
    result = target.deploy("--timeout", "4")
    assert result.code == 7, result.said
    assert target.last()["status"] == "cancelled"
    assert target.served(target.hosts[0]) == good


def test_a_command_that_is_killed_leaves_a_true_record_and_nothing_running(
    target: Target,
) -> None:
    good = scenarios.first_deployment(target)
    host = target.hosts[0]
    target.configure(build=["touch /tmp/started; sleep 15; touch /tmp/went-on"])
    target.repository.commit("good", {"note": "slow"})
    process = target.fraisier.start("deploy", "my_api", "production")
    until(lambda: target.inside(host, "test -e /tmp/started && echo yes || true") == "yes")
    assert _processes_of_run(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not _processes_of_run(process.pid), seconds=10)
    until(lambda: not list(base().glob(f"{PREFIX}{process.pid}-*")))  # its folder holds secrets
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
    assert target.inside(host, "ls /tmp/went-on 2>/dev/null || true") == ""
    target.inside(host, "rm -f /tmp/started")


def test_a_second_command_waits_for_the_first(target: Target) -> None:
    target.configure(build=["sleep 2"])
    target.repository.commit("good")
    first = target.fraisier.start("deploy", "my_api", "production")
    until(lambda: (target.folder / "fraisier.db").exists())
    until(lambda: _live(target) == 1)
    second = target.deploy()
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, out + err
    assert second.code == 0, second.said
    assert "waiting: dep_" in second.err
    assert "nothing was changed" in second.said


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


def _live(target: Target) -> int:
    found = target.fraisier("--json", "history", "--status", "in_progress")
    return len(found.json["deployments"]) if found.code == 0 else 0
