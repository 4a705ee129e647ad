"""The lab for real: hosts with systemd, reached over SSH with pinned keys."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fraisier import lab as labs
from fraisier.domain.errors import LabError
from fraisier.lab import Lab, LabHost, addresses
from fraisier.lab.engine import docker


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAISIER_LAB_HOME", str(tmp_path / "labs"))


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"test-{uuid.uuid4().hex[:8]}"
    try:
        yield chosen
    finally:
        labs.down(chosen)


@pytest.fixture
def other_name() -> Iterator[str]:
    chosen = f"test-{uuid.uuid4().hex[:8]}"
    try:
        yield chosen
    finally:
        labs.down(chosen)


def ssh(lab: Lab, host: LabHost, *command: str) -> subprocess.CompletedProcess[str]:
    login, *rest = reversed(lab.ssh(host))
    argv = (*reversed(rest), "-F", "none", "-o", "BatchMode=yes", login, *command)
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)


def container_ids(lab: Lab) -> list[str]:
    return [docker("inspect", "--format", "{{.Id}}", host.container) for host in lab.hosts]


def test_a_lab_from_its_first_start_to_its_end(name: str, tmp_path: Path) -> None:
    """Each part leaves two hosts that run."""
    lab = labs.up(name, 2)
    check_hosts_run_systemd_and_let_the_lab_key_in(lab)
    check_a_repository_has_the_same_path_here_and_on_the_host(lab)
    check_a_service_on_a_host_answers_on_the_hosts_address(lab)
    check_nobody_gets_in_without_the_labs_key_and_the_pinned_host_key(lab, tmp_path)
    check_up_again_changes_nothing(lab)
    check_a_failed_unit_is_named_and_does_not_stop_the_lab(lab)
    check_a_stopped_host_comes_back_as_it_was_and_a_missing_one_is_made_anew(lab)
    check_down_removes_the_hosts_and_the_folder(lab)


def check_hosts_run_systemd_and_let_the_lab_key_in(lab: Lab) -> None:
    assert [host.name for host in lab.hosts] == [f"{lab.name}-1", f"{lab.name}-2"]
    machine_ids = set()
    for host in lab.hosts:
        done = ssh(lab, host, "sudo -n id -u && hostname && cat /proc/1/comm /etc/machine-id")
        user, hostname, init, machine_id = done.stdout.splitlines()
        assert (user, hostname, init) == ("0", host.name, "systemd"), done.stderr
        machine_ids.add(machine_id)
        assert labs.exec_in(host.container, "systemctl", "is-system-running") == "running\n"
    assert len(machine_ids) == 2
    assert len({line.split()[2] for line in lab.known_hosts.read_text().splitlines()}) == 2


def check_nobody_gets_in_without_the_labs_key_and_the_pinned_host_key(
    lab: Lab, tmp_path: Path
) -> None:
    host, known_hosts = lab.hosts[0], lab.known_hosts.read_text()
    stranger = tmp_path / "stranger"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger), check=True)
    key, public = lab.key.read_text(), stranger.with_suffix(".pub").read_text()
    lab.key.write_text(stranger.read_text())
    assert "Permission denied (publickey)" in ssh(lab, host, "true").stderr
    lab.key.write_text(key)
    lab.known_hosts.write_text(f"{host.address} {' '.join(public.split()[:2])}\n")
    assert "Host key verification failed" in ssh(lab, host, "true").stderr
    lab.known_hosts.write_text(known_hosts)
    assert ssh(lab, host, "true").returncode == 0


def check_a_repository_has_the_same_path_here_and_on_the_host(lab: Lab) -> None:
    repository = lab.git / "service.git"
    subprocess.run(("git", "init", "--quiet", "--bare", str(repository)), check=True)
    as_app = ("sudo", "-n", "-u", "app", "git", "ls-remote", str(repository))
    assert ssh(lab, lab.hosts[0], *as_app).returncode == 0
    assert "Read-only" in ssh(lab, lab.hosts[0], "sudo", "-n", "touch", f"{lab.git}/x").stderr


def check_a_service_on_a_host_answers_on_the_hosts_address(lab: Lab) -> None:
    host = lab.hosts[0]
    serve = "systemd-run --uid=app --working-directory=/tmp python3 -m http.server 8000"
    ssh(lab, host, f"sudo -n {serve}")
    patient = ("--retry", "60", "--retry-all-errors", "--retry-delay", "1")
    fetched = subprocess.run(
        ("curl", "--silent", "--fail", *patient, f"http://{host.address}:8000/"),
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Directory listing" in fetched.stdout, fetched.stderr


def check_up_again_changes_nothing(first: Lab) -> None:
    ids = container_ids(first)
    files = {path: path.stat().st_ino for path in first.folder.iterdir()}
    second = labs.up(first.name, 2)
    assert second == first
    assert container_ids(second) == ids
    assert {path: path.stat().st_ino for path in second.folder.iterdir()} == files


def check_a_failed_unit_is_named_and_does_not_stop_the_lab(lab: Lab) -> None:
    said: list[str] = []
    container = lab.hosts[0].container
    docker("exec", container, "sh", "-c", "systemd-run --wait --unit=broken false || :")
    assert labs.up(lab.name, 2, say=said.append) == lab
    others = [line for line in said if not line.startswith("another lab command is running")]
    assert others == [f"{lab.name}-1 is up, but these units failed: broken.service"]


def check_a_stopped_host_comes_back_as_it_was_and_a_missing_one_is_made_anew(first: Lab) -> None:
    docker("exec", first.hosts[0].container, "touch", "/etc/was-here")
    docker("stop", first.hosts[0].container)
    docker("rm", "--force", first.hosts[1].container)
    second = labs.up(first.name, 2)
    assert second == first
    assert ssh(second, second.hosts[0], "test -e /etc/was-here").returncode == 0
    assert ssh(second, second.hosts[1], "true").returncode == 0


def check_down_removes_the_hosts_and_the_folder(lab: Lab) -> None:
    assert labs.down(lab.name) is True
    assert not lab.folder.exists()
    assert lab.name not in {each.name for each in labs.status()}
    assert docker("ps", "--all", "--quiet", "--filter", f"label=fraisier.lab={lab.name}") == ""
    assert labs.down(lab.name) is False


def test_labs_share_no_address_and_one_can_take_another_ones(
    name: str, other_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {name: 1, other_name: 2}
    with ThreadPoolExecutor(2) as pool:
        one, loser = pool.map(lambda each: labs.up(each, sizes[each]), sizes)
    assert len({host.address for host in (*one.hosts, *loser.hosts)}) == 3
    listed = {lab.name: lab for lab in labs.status()}
    assert (listed[name], listed[other_name]) == (one, loser), "started at once"

    labs.down(name)
    wanted = loser.hosts[0].address
    with pytest.raises(LabError, match=f'belongs to the lab "{other_name}"'):
        labs.up(name, 1, addresses=(wanted,))
    winner = labs.up(name, 1, addresses=(wanted,), reclaim=True)
    assert ssh(winner, winner.hosts[0], "true").returncode == 0
    assert wanted not in loser.config.read_text()
    assert ssh(loser, loser.hosts[1], "true").returncode == 0

    winner.key.unlink()
    monkeypatch.setenv("FRAISIER_LAB_HOME", str(tmp_path / "elsewhere"))
    anew = labs.up(name, 1)
    assert anew.folder == tmp_path / "elsewhere" / name
    assert ssh(anew, anew.hosts[0], "true").returncode == 0, "a lab whose key is gone is made anew"


def test_where_port_22_is_taken_ssh_is_pinned_and_answers_on_2222(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "choose_ports", lambda extra: (2222, (8000,)))
    lab = labs.up(name, 1)
    assert (lab.hosts[0].port, lab.hosts[0].ports) == (2222, (8000,))
    assert lab.known_hosts.read_text().startswith(f"[{lab.hosts[0].address}]:2222 ")
    assert ssh(lab, lab.hosts[0], "true").returncode == 0
