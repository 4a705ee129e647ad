"""Hosts as teams have them: no root, a narrow sudo rule, sudo with a password, own units."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.preparation import preparation
from support.command import run_ansible
from support.target import UNIT, Target, until

HOME_APP = "/home/deploy/my-api"
PASSWORD = "correct horse battery staple"
PLAIN = {
    "app_path": HOME_APP,
    "service_user": "deploy",
    "become": False,
    "exec": ["/usr/bin/python3", "app.py"],
}
TEAMS_UNIT = f"""\
[Service]
User=deploy
WorkingDirectory={HOME_APP}/current
EnvironmentFile=-{HOME_APP}/.fraisier/environment
ExecStart=/usr/bin/python3 app.py
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def host(target: Target) -> Iterator[Target]:
    """Return a target whose host's user `deploy` has no sudo; all is put back afterwards."""
    sudoers = "/etc/sudoers.d/deploy"
    target.inside(target.hosts[0], f"mv {sudoers} /root/sudoers.deploy")
    yield target
    target.inside(
        target.hosts[0],
        f"rm -f {sudoers}-*; mv /root/sudoers.deploy {sudoers}; usermod -p '*' deploy;"
        "loginctl disable-linger deploy; loginctl terminate-user deploy;"
        f"rm -rf {HOME_APP} /home/deploy/.config /home/deploy/.local; true",
    )


def allow(target: Target, rule: str) -> None:
    """Let `deploy` do something by sudo."""
    target.inside(
        target.hosts[0],
        f"cd /etc/sudoers.d; echo 'deploy {rule}' > deploy-rule; chmod 440 deploy-rule; visudo -c",
    )


def deploy_and_break(target: Target) -> str:
    """Deploy a good version, then a bad one; the good one must serve in the end. Return it."""
    good = target.repository.commit("good")
    first = target.deploy()
    assert first.code == 0, first.said
    assert target.served(target.hosts[0]) == good
    target.repository.commit("http500")
    bad = target.deploy()
    assert bad.code == 5, bad.said
    assert target.last()["status"] == "rolled_back"
    until(lambda: target.served(target.hosts[0]) == good)
    return good


def put_unit(target: Target, text: str) -> None:
    """Write the team's own unit, as it would be before Fraisier came."""
    target.inside(
        target.hosts[0],
        f"cat > /etc/systemd/system/{UNIT} <<'END'\n{text}END\nsystemctl daemon-reload",
    )


def refused(target: Target, *words: str) -> None:
    """Deploy: it must be refused with these words before anything is made."""
    result = target.deploy()
    assert result.code == 5, result.said
    for word in words:
        assert word in result.said
    assert target.inside(target.hosts[0], f"ls -d {HOME_APP} 2>/dev/null || true") == ""


def test_a_plain_user_without_sudo_deploys_a_service_of_its_own(host: Target) -> None:
    host.configure(**PLAIN, systemd_scope="user")
    host.repository.commit("good")
    refused(host, "linger_missing", "loginctl enable-linger deploy")
    # what libpam-systemd does where it is installed, which on lab hosts it is not
    host.inside(
        host.hosts[0],
        "cd /etc/systemd/system; mkdir -p user@1000.service.d; cd user@1000.service.d;"
        "printf '[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%%i\n' > runtime.conf;"
        "systemctl daemon-reload; loginctl enable-linger deploy; systemctl restart user@1000",
    )
    good = deploy_and_break(host)
    owners = host.inside(host.hosts[0], f"find {HOME_APP} /home/deploy/.config -printf '%u\\n'")
    assert set(owners.split()) == {"deploy"}
    assert host.inside(host.hosts[0], f"systemctl is-active {UNIT} || true") == "inactive"
    again = host.deploy("--version", good)
    assert "nothing was changed" in again.said


@pytest.mark.slow
def test_a_narrow_sudo_rule_is_enough_for_a_unit_of_the_system(host: Target) -> None:
    """The rule is the one that `fraisier setup` writes.

    The other units that cannot work, and the other missing rights: test_collection_rights.
    """
    host.configure(**{**PLAIN, "exec": None})
    host.repository.commit("good")
    service = {"app_path": HOME_APP, "service_user": "deploy", "service_name": "my-api"}
    rule = preparation(service, plain_user=True, variables=True)["rule"]["text"]
    allow(host, rule.splitlines()[-1].removeprefix("deploy "))
    may = "runuser -u deploy -- sudo -n systemctl restart ssh.service 2>&1 || true"
    assert "password is required" in host.inside(host.hosts[0], may)
    put_unit(host, TEAMS_UNIT.replace(f"{HOME_APP}/current", HOME_APP))
    refused(host, "unit_unsuitable", f"WorkingDirectory={HOME_APP}", "layout: in_place")
    put_unit(host, TEAMS_UNIT)
    host.inside(host.hosts[0], "mv /etc/sudoers.d/deploy-rule /root/deploy-rule")
    refused(host, "restart_denied", f"/usr/bin/systemctl restart {UNIT}")
    host.inside(host.hosts[0], "mv /root/deploy-rule /etc/sudoers.d/deploy-rule")
    deploy_and_break(host)


def test_sudo_with_a_password_deploys_and_the_password_is_nowhere(host: Target) -> None:
    give_password(host)
    version = host.repository.commit("good")
    result = host.fraisier(
        "-vv", "--json", "deploy", "my_api", "production", SUDO_PASSWORD=PASSWORD
    )
    assert result.code == 0, result.said
    assert host.served(host.hosts[0]) == version
    assert PASSWORD not in result.said
    for path in host.folder.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    host.repository.commit("good", {"note": "newer"})
    wrong = host.deploy(SUDO_PASSWORD="wrong")
    assert wrong.code == 5, wrong.said
    assert "become_failed" in wrong.said
    assert "no host was changed" in wrong.said


@pytest.mark.slow
def test_plain_ansible_deploys_with_a_password_of_sudo_and_does_not_show_it(
    host: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_password(host)
    version = host.repository.commit("good")
    monkeypatch.setenv("SUDO_PASSWORD", PASSWORD)
    plain = run_ansible(
        host, "ansible-playbook", "fraisier.deploy.deploy",
        "-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production",
    )  # fmt: skip
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert host.served(host.hosts[0]) == version
    assert PASSWORD not in plain.stdout


def give_password(target: Target) -> None:
    """Let `deploy` do everything by sudo with its password, and tell Fraisier where that is."""
    target.inside(target.hosts[0], f"echo 'deploy:{PASSWORD}' | chpasswd")
    allow(target, "ALL=(ALL) ALL")
    target.configure(become_password={"env": "SUDO_PASSWORD"})
