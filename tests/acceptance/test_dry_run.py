"""A dry run on a real host: it says what would change, keeps secrets to itself, changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import scenarios

from fraisier.cli.plan import diff_lines
from support.command import run_ansible
from support.target import APP_PATH, Target

SECRET, OTHER = "the-secret-of-yesterday", "the-secret-of-today"


def plan(target: Target, *options: str, **environment: str) -> dict[str, Any]:
    """Return what `fraisier plan` finds on the target's host."""
    done = target.fraisier("--json", "plan", "my_api", "production", *options, **environment)
    assert done.code == 0, done.said
    (host,) = done.json["hosts"]
    return {**host, "version": done.json["version"], "text": done.out}


def plain_ansible(target: Target, playbook: str) -> tuple[str, Any]:
    """Dry-run a playbook without the control plane; return what Ansible shows, and the result."""
    done = run_ansible(
        target, "ansible-playbook", f"fraisier.deploy.{playbook}", "--check", "--diff", "-vv",
        "-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    objects = [line.partition(" => ")[2] for line in done.stdout.splitlines() if " => {" in line]
    results = [json.loads(part) for part in objects if '"unpredictable"' in part]
    return done.stdout, results[-1]


def listed(target: Target) -> str:
    """Return all files that a deployment could touch, with when they were changed."""
    return target.inside(
        target.hosts[0],
        f"find {APP_PATH} /etc/systemd -printf '%p %T@ %s %u %m\\n' 2>/dev/null | sort; ls -A /tmp",
    )


def test_a_plan_shows_what_a_deployment_would_change_and_changes_nothing(target: Target) -> None:
    host, secret = target.hosts[0], {"TEST_SECRET": {"env": "THE_SECRET"}}
    target.configure(env_vars={"PORT": "8000", "COLOUR": "blue", **secret})
    first = target.repository.commit("good")
    new = plan(target, THE_SECRET=SECRET)
    assert (new["would_change"], new["from"], new["version"]) == (True, None, first)
    assert "+ExecStart=:/usr/bin/python3 app.py" in shown(new)
    assert " app.py " in shown(new)
    assert target.inside(host, f"ls -d {APP_PATH} 2>/dev/null || true") == ""

    assert target.deploy(THE_SECRET=SECRET).code == 0
    before = listed(target)
    same = plan(target, THE_SECRET=SECRET)
    assert (same["would_change"], same["from"]["version"]) == (False, first)
    assert (same["diff"], same["unpredictable"]) == ([], [])

    target.configure(
        env_vars={"PORT": "8000", "COLOUR": "green", **secret},
        exec=["/usr/bin/python3", "-B", "app.py"],
        build=["true"],
    )
    newer = target.repository.commit("good", {"note": "newer"})
    changed = plan(target, THE_SECRET=OTHER)
    for line in ("-COLOUR=blue", "+COLOUR=green", "+newer"):
        assert line in shown(changed), line
    assert "+TEST_SECRET=(secret, another value)" in shown(changed)
    assert "+ExecStart=:/usr/bin/python3 -B app.py" in shown(changed)
    assert SECRET not in changed["text"]
    assert OTHER not in changed["text"]
    assert [entry["step"] for entry in changed["unpredictable"]] == ["build", "restart", "gate"]
    assert (changed["would_change"], changed["version"]) == (True, newer)
    assert listed(target) == before


def shown(plan: dict[str, Any]) -> str:
    """Return the lines that a person sees of a host's differences."""
    return "\n".join(line for entry in plan["diff"] for line in diff_lines(entry))


def test_plain_ansible_shows_what_a_rollback_would_bring_back_and_changes_nothing(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "ansible.builtin.default")
    old = scenarios.first_deployment(target)
    target.repository.commit("good", {"note": "newer"})
    assert target.deploy().code == 0
    before = listed(target)
    said, result = plain_ansible(target, "rollback")
    assert result["changed"]
    assert result["release"]["version"] == old
    assert "-newer" in said
    assert listed(target) == before
