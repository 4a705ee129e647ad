"""Hosts as teams have them: no root, a narrow sudo rule, sudo with a password, own units."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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


def upgrade_and_break(target: Target) -> None:
    """Deploy a version, a newer one and a bad one; the newer one must serve in the end."""
    target.repository.commit("good")
    first = target.deploy()
    assert first.code == 0, first.said
    newer = target.repository.commit("good", {"note": "newer"})
    second = target.deploy()
    assert second.code == 0, second.said
    assert target.served(target.hosts[0]) == newer
    target.repository.commit("http500")
    bad = target.deploy()
    assert bad.code == 5, bad.said
    assert target.last()["status"] == "rolled_back"
    until(lambda: target.served(target.hosts[0]) == newer)


def test_a_plain_user_without_sudo_deploys_a_service_of_its_own(host: Target) -> None:
    host.configure(**PLAIN, systemd_scope="user")
    host.repository.commit("good")
    refused = host.deploy()
    assert refused.code == 5, refused.said
    assert "linger_missing" in refused.said
    assert "loginctl enable-linger deploy" in refused.said
    # what libpam-systemd does where it is installed, which on lab hosts it is not
    host.inside(
        host.hosts[0],
        "cd /etc/systemd/system; mkdir -p user@1000.service.d; cd user@1000.service.d;"
        "printf '[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%%i\n' > runtime.conf;"
        "systemctl daemon-reload; loginctl enable-linger deploy; systemctl restart user@1000",
    )
    upgrade_and_break(host)
    owners = host.inside(host.hosts[0], f"find {HOME_APP} /home/deploy/.config -printf '%u\\n'")
    assert set(owners.split()) == {"deploy"}
    assert host.inside(host.hosts[0], f"systemctl is-active {UNIT} || true") == "inactive"
    again = host.deploy("--version", host.served(host.hosts[0]) or "")
    assert "nothing was changed" in again.said


def test_a_narrow_sudo_rule_is_enough_for_a_unit_of_the_system(host: Target) -> None:
    host.inside(host.hosts[0], f"cat > /etc/systemd/system/{UNIT} <<'END'\n{TEAMS_UNIT}END")
    host.inside(host.hosts[0], "systemctl daemon-reload")
    host.configure(**{**PLAIN, "exec": None})
    host.repository.commit("good")
    refused = host.deploy()
    assert refused.code == 5, refused.said
    assert "restart_denied" in refused.said
    assert f"/usr/bin/systemctl restart {UNIT}" in refused.said
    verbs = ("restart", "start", "stop", "reset-failed")
    allow(
        host,
        "ALL=(root) NOPASSWD: " + ", ".join(f"/usr/bin/systemctl {verb} {UNIT}" for verb in verbs),
    )
    upgrade_and_break(host)


def test_a_plain_user_cannot_write_a_unit_of_the_system(host: Target) -> None:
    allow(host, f"ALL=(root) NOPASSWD: /usr/bin/systemctl restart {UNIT}")
    host.configure(**PLAIN)
    host.repository.commit("good")
    refused = host.deploy()
    assert refused.code == 5, refused.said
    assert "root_needed" in refused.said
    assert "systemd_scope: user" in refused.said
    assert host.inside(host.hosts[0], f"ls -d {HOME_APP} 2>/dev/null || true") == ""


def test_sudo_with_a_password_deploys_and_the_password_is_nowhere(
    host: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = host.hosts[0]
    host.inside(machine, f"echo 'deploy:{PASSWORD}' | chpasswd")
    allow(host, "ALL=(ALL) ALL")
    host.configure(become_password={"env": "SUDO_PASSWORD"})
    version = host.repository.commit("good")
    result = host.fraisier(
        "-vv", "--json", "deploy", "my_api", "production", SUDO_PASSWORD=PASSWORD
    )
    assert result.code == 0, result.said
    assert host.served(machine) == version
    assert PASSWORD not in result.said
    for path in host.folder.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    monkeypatch.setenv("SUDO_PASSWORD", PASSWORD)
    plain = run_ansible(
        host, "ansible-playbook", "fraisier.deploy.deploy",
        "-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production",
    )  # fmt: skip
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert PASSWORD not in plain.stdout
    host.repository.commit("good", {"note": "newer"})
    wrong = host.deploy(SUDO_PASSWORD="wrong")
    assert wrong.code == 5, wrong.said
    assert "become_failed" in wrong.said
    assert "no host was changed" in wrong.said


@pytest.mark.parametrize(
    ("unit", "options", "code", "said"),
    [
        (
            "[Service]\nUser=app\nExecStart=/opt/my-api/bin/start.sh\n",
            {"env_vars": None}, "unit_unsuitable", "layout: in_place",
        ),
        (
            "[Service]\nUser=app\nWorkingDirectory=/opt/my-api/current\nExecStart=/bin/true\n",
            {}, "environment_unread", "/opt/my-api/.fraisier/environment",
        ),
        (
            "[Service]\nWorkingDirectory=/opt/my-api/current\nExecStart=/bin/true\n",
            {"env_vars": None}, "unit_user_differs", "service_user: root",
        ),
    ],
)  # fmt: skip
def test_a_unit_that_cannot_work_is_refused_before_anything_changes(
    target: Target, unit: str, options: dict[str, object], code: str, said: str
) -> None:
    machine = target.hosts[0]
    target.inside(machine, f"cat > /etc/systemd/system/{UNIT} <<'END'\n{unit}END")
    target.inside(machine, "systemctl daemon-reload")
    target.configure(exec=None, **options)
    target.repository.commit("good")
    refused = target.deploy()
    assert refused.code == 5, refused.said
    assert code in refused.said
    assert said in refused.said
    assert target.inside(machine, "ls -d /opt/my-api 2>/dev/null || true") == ""
