"""Hosts before their first deployment: prepared, trusted, diagnosed."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.target import APP_PATH, SETUP_USER, UNIT, Target, wipe

SETUP = ("setup", "my_api", "production")
TRUST = ("hosts", "trust", "my_api", "production")
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
DROP_IN = f"{UNIT_PATH}.d/50-fraisier.conf"
RULE = "/etc/sudoers.d/fraisier-my-api_service"
FOREIGN = (
    f"[Service]\nUser=app\nWorkingDirectory={APP_PATH}/current\nExecStart=/usr/bin/python3 app.py\n"
)


@pytest.fixture
def bare(target: Target) -> Iterator[Target]:
    """Return a target whose service's user is not there; what setup makes is removed."""
    target.configure(service_user=SETUP_USER)
    host = target.hosts[0]
    wipe(host)
    yield target
    target.inside(
        host, f"rm -f {RULE} /etc/ssh/sshd_config.d/plain.conf; systemctl reload ssh; true"
    )


def put(target: Target, path: str, text: str) -> None:
    """Write a file on the target's host."""
    target.inside(target.hosts[0], f"printf %s {shlex.quote(text)} > {path}")


def state(target: Target) -> str:
    """Return all that setup could change on the host."""
    look = (
        f"id my-api 2>&1; find {APP_PATH} -printf '%p %u %m\\n' 2>&1 | sort; "
        f"cat {UNIT_PATH} {DROP_IN} {RULE} 2>&1; ls /var/lib/systemd/linger 2>&1; true"
    )
    return target.inside(target.hosts[0], look)


def test_a_bare_host_is_shown_what_would_be_done_then_prepared_then_deployed_to(
    bare: Target,
) -> None:
    sha = bare.repository.commit("good")
    before = state(bare)
    shown = bare.fraisier(*SETUP)
    assert shown.code == 0, shown.said
    assert "nothing was changed; --yes does it" in shown.out
    assert "+ExecStart=:/usr/bin/python3 app.py" in shown.out
    assert f"{APP_PATH}/shared" in shown.out
    assert state(bare) == before

    done = bare.fraisier("--json", *SETUP, "--yes")
    assert done.code == 0, done.said
    (host,) = done.json["hosts"]
    assert [change["task"].rpartition(" : ")[2] for change in host["changes"]][:2] == [
        "Make the service's user",
        "Make the application's folders",
    ]
    prepared = state(bare)
    noted = bare.fraisier("--json", "audit").json["audit"][0]
    assert (noted["action"], noted["subject"]) == ("setup", "my_api production")
    assert prepared != before

    deployed = bare.deploy()
    assert deployed.code == 0, deployed.said
    assert bare.served(bare.hosts[0]) == sha
    after = state(bare)
    again = bare.fraisier(*SETUP, "--yes")
    assert "nothing to do" in again.out, "the unit is the one that a deployment writes"
    assert state(bare) == after


@pytest.mark.slow
def test_a_unit_of_somebody_else_stays_and_gets_its_variables_by_a_drop_in(bare: Target) -> None:
    host = bare.hosts[0]
    put(bare, UNIT_PATH, FOREIGN)
    bare.inside(host, "systemctl daemon-reload")
    overwritten = bare.fraisier(*SETUP, "-y")
    assert overwritten.code == 1, overwritten.said
    assert "was not written by Fraisier" in overwritten.out
    assert bare.inside(host, f"cat {UNIT_PATH}") == FOREIGN.strip()

    bare.configure(exec=None, env_vars={"PORT": "8000", "COLOUR": "blue"})
    done = bare.fraisier(*SETUP, "-y")
    assert done.code == 0, done.said
    assert f"+EnvironmentFile=-{APP_PATH}/.fraisier/environment" in done.out
    assert bare.inside(host, f"cat {UNIT_PATH}") == FOREIGN.strip()
    sha = bare.repository.commit("good")
    deployed = bare.deploy()
    assert deployed.code == 0, deployed.said
    assert bare.served(host) == sha
    look = "tr '\\0' '\\n' < /proc/$(systemctl show --value -p MainPID my-api)/environ"
    assert "COLOUR=blue" in bare.inside(host, look)


@pytest.mark.slow
def test_a_plain_user_is_given_the_right_to_restart_this_unit_and_no_other(bare: Target) -> None:
    host = bare.hosts[0]
    login = {"username": "my-api", "ssh_key_path": str(bare.lab.key), "hostname": host.address}
    bare.configure(hosts=[login], service_user="my-api", become=False)
    without = bare.fraisier(*SETUP, "-y")
    assert without.code == 2, without.said
    assert "--as USER" in without.err

    done = bare.fraisier(*SETUP, "-y", "--as", "deploy")
    assert done.code == 0, done.said
    may = "sudo -u my-api sudo -n systemctl restart {} 2>&1 || true"
    assert "password is required" in bare.inside(host, may.format("ssh.service"))
    bare.inside(
        host,
        "echo 'AllowUsers my-api' > /etc/ssh/sshd_config.d/plain.conf; systemctl reload ssh; "
        "install -d -o my-api -m 700 ~my-api/.ssh; "
        "install -o my-api ~deploy/.ssh/authorized_keys ~my-api/.ssh/authorized_keys",
    )
    bare.repository.commit("http500")
    first = bare.deploy()
    assert first.code == 5, first.said
    assert "so the service was stopped" in first.said
    sha = bare.repository.commit("good")
    deployed = bare.deploy()
    assert deployed.code == 0, deployed.said
    assert bare.served(host) == sha


def test_a_key_is_shown_and_pinned_only_when_that_is_said(target: Target, tmp_path: Path) -> None:
    pinned = tmp_path / "ssh" / "known_hosts"
    target.configure(known_hosts=str(pinned))
    asked = target.fraisier(*TRUST)
    assert asked.code == 8, asked.said
    assert "--fingerprint" in asked.err
    assert not pinned.exists()
    host = target.hosts[0]
    fingerprint = target.inside(
        host, "ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2"
    )
    assert fingerprint in asked.err

    wrong = target.fraisier(*TRUST, "--fingerprint", "SHA256:another")
    assert wrong.code == 8, wrong.said
    assert not pinned.exists()
    right = target.fraisier(*TRUST, "--fingerprint", fingerprint)
    assert right.code == 0, right.said
    text = pinned.read_text()
    (noted,) = target.fraisier("--json", "audit").json["audit"]
    assert (noted["action"], noted["reason"]) == ("hosts.trust", fingerprint)
    again = target.fraisier(*TRUST)
    assert (again.code, "pinned already" in again.out) == (0, True), again.said
    assert pinned.read_text() == text
    target.repository.commit("good")
    assert target.deploy().code == 0


def test_a_key_that_changed_is_shown_and_never_replaced(target: Target, tmp_path: Path) -> None:
    pinned = tmp_path / "known_hosts"
    others = [line.split(" ", 1)[1] for line in target.lab.known_hosts.read_text().splitlines()]
    pinned.write_text(f"{target.hosts[0].address} {others[-1]}\n")
    target.configure(known_hosts=str(pinned))
    result = target.fraisier("--json", *TRUST, "--yes")
    assert result.code == 8, result.said
    (host,) = result.json["hosts"]
    assert [key["state"] for key in host["keys"]] == ["changed"]
    assert host["expected"][0]["fingerprint"] != host["keys"][0]["fingerprint"]
    assert "ssh-keygen -R" in result.err
    assert pinned.read_text() == f"{target.hosts[0].address} {others[-1]}\n"


def check_it_is_the_preflight(target: Target) -> None:
    """Before a first deployment; nothing is made on the host."""
    doctor = ("doctor", "my_api", "production")
    target.configure(service_user="nobody-there")
    user = target.fraisier(*doctor)
    assert user.code == 1, user.said
    assert 'there is no user "nobody-there" on the host' in user.out
    assert "fraisier setup my_api production --yes" in user.out
    here = target.folder / "here.git"  # a path that the host does not have
    shutil.copytree(target.repository.path, here)
    target.git_repo = str(here)
    target.configure()
    fetched = target.fraisier(*doctor)
    assert fetched.code == 1, fetched.said
    assert f"cannot read {here}" in fetched.out
    assert "source: push" in fetched.out
    target.inside(target.hosts[0], f"test ! -e {APP_PATH}")
    target.git_repo = ""
    target.configure()


def test_doctor_finds_what_a_host_lacks_with_its_fix(target: Target) -> None:
    host, file = target.hosts[0], "/home/deploy/.bashrc"
    doctor = ("doctor", "my_api", "production")
    target.repository.commit("good")
    well = target.fraisier(*doctor)
    assert well.code == 0, well.said
    check_it_is_the_preflight(target)
    target.inside(host, f"cp {file} {file}.before; sed -i '1i sleep 1' {file}")
    try:
        slow = target.fraisier("--json", *doctor)
    finally:
        target.inside(host, f"mv {file}.before {file}")
    assert slow.code == 1, slow.said
    (found,) = [check for check in slow.json["checks"] if not check["ok"]]
    assert "the login shell /bin/bash takes 1." in found["detail"]
    assert file in found["fix"]

    target.inside(host, "mv /etc/sudoers.d/deploy /root/deploy")
    try:
        sudo = target.fraisier(*doctor)
    finally:
        target.inside(host, "mv /root/deploy /etc/sudoers.d/deploy")
    assert sudo.code == 1, sudo.said
    assert "sudoers" in sudo.out
