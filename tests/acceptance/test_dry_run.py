"""A dry run on a real host: it says what would change, keeps secrets to itself, changes nothing."""

from __future__ import annotations

import json
from typing import Any

import scenarios

from support.command import run_ansible
from support.target import APP_PATH, Target

SECRET, OTHER = "the-secret-of-yesterday", "the-secret-of-today"


def dry_run(target: Target, monkeypatch: Any, playbook: str = "deploy") -> tuple[str, Any]:
    """Return what Ansible shows, and what the module returned."""
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "ansible.builtin.default")
    done = run_ansible(
        target, "ansible-playbook", f"fraisier.deploy.{playbook}", "--check", "--diff", "-vv",
        "-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(part) for part in _objects(done.stdout) if '"unpredictable"' in part]
    return done.stdout, results[-1]


def _objects(text: str) -> list[str]:
    return [line.partition(" => ")[2] for line in text.splitlines() if " => {" in line]


def listed(target: Target) -> str:
    """Return all files that a deployment could touch, with when they were changed."""
    return target.inside(
        target.hosts[0],
        f"find {APP_PATH} /etc/systemd -printf '%p %T@ %s %u %m\\n' 2>/dev/null | sort; ls -A /tmp",
    )


def test_before_the_first_deployment_everything_is_new(target: Target, monkeypatch: Any) -> None:
    version = target.repository.commit("good")
    shown, result = dry_run(target, monkeypatch)
    assert result["changed"]
    assert result["previous"] is None
    assert result["release"]["version"] == version
    assert result["release"]["id"] is None
    assert "+ExecStart=:/usr/bin/python3 app.py" in shown
    assert " app.py " in shown
    assert target.inside(target.hosts[0], f"ls -d {APP_PATH} 2>/dev/null || true") == ""


def test_a_dry_run_shows_unit_environment_and_files_and_no_secret(
    target: Target, monkeypatch: Any
) -> None:
    target.configure(
        env_vars={"PORT": "8000", "COLOUR": "blue", "TEST_SECRET": {"env": "THE_SECRET"}}
    )
    target.repository.commit("good")
    assert target.deploy(THE_SECRET=SECRET).code == 0
    before = listed(target)
    target.configure(
        env_vars={"PORT": "8000", "COLOUR": "green", "TEST_SECRET": {"env": "THE_SECRET"}},
        exec=["/usr/bin/python3", "-B", "app.py"],
        build=["true"],
    )
    newer = target.repository.commit("good", {"note": "newer"})
    monkeypatch.setenv("THE_SECRET", OTHER)
    shown, result = dry_run(target, monkeypatch)
    for line in ("-COLOUR=blue", "+COLOUR=green", "+newer"):
        assert line in shown, line
    assert "+TEST_SECRET=(secret, another value)" in shown
    assert "+ExecStart=:/usr/bin/python3 -B app.py" in shown
    assert SECRET not in shown
    assert OTHER not in shown
    assert [entry["step"] for entry in result["unpredictable"]] == ["build", "restart", "gate"]
    assert result["release"]["version"] == newer
    assert listed(target) == before


def test_a_dry_run_of_what_runs_already_says_so(target: Target, monkeypatch: Any) -> None:
    version = scenarios.first_deployment(target)
    before = listed(target)
    _shown, result = dry_run(target, monkeypatch)
    assert not result["changed"]
    assert not result.get("diff")
    assert result["unpredictable"] == []
    assert result["release"]["version"] == version
    assert listed(target) == before


def test_a_dry_run_of_the_way_back_shows_what_would_come_back(
    target: Target, monkeypatch: Any
) -> None:
    old = scenarios.first_deployment(target)
    target.repository.commit("good", {"note": "newer"})
    assert target.deploy().code == 0
    before = listed(target)
    shown, result = dry_run(target, monkeypatch, "rollback")
    assert result["changed"]
    assert result["release"]["version"] == old
    assert "-newer" in shown
    assert listed(target) == before
