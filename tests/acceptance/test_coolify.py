"""Targets at a Coolify that keeps to its published document, from the command.

What the modules do at Coolify is tested in unit/collection/test_collection_coolify_deployments.py
and test_collection_coolify_faults.py; here are the command, the engine and Ansible around them.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.coolify import TOKEN, Coolify, coolify
from support.coolify_target import SECRET, CoolifyTarget
from support.target import until

A, B, C = "a" * 40, "b" * 40, "c" * 40
DEPLOY_B = ("deploy", "my_api", "production", "--version", B)


@pytest.fixture
def server() -> Iterator[Coolify]:
    """Return a Coolify of its own."""
    with coolify() as found:
        yield found


@pytest.fixture
def git(server: Coolify, tmp_path: Path) -> Iterator[CoolifyTarget]:
    """Return a target that Coolify builds from git."""
    target = CoolifyTarget(tmp_path, server, server.add_git())
    target.remove()
    yield target
    target.remove()


def values(target: CoolifyTarget) -> dict[str, str]:
    """Return the variables that Coolify has, with their values."""
    return {name: env["value"] for name, env in target.app.envs.items()}


def test_a_commit_is_deployed_shown_and_rolled_back_to(git: CoolifyTarget) -> None:
    ready = git.fraisier("doctor", "my_api", "production")
    assert ready.code == 0, ready.said
    assert git.begun() == 0
    deployed = git.good("--version", A)
    assert git.app.commit_that_runs == A
    assert git.begun() == 1
    assert git.last()["version"] == A
    assert values(git) == {"LOG_LEVEL": "info", "DATABASE_URL": SECRET}
    logs = git.fraisier("logs", git.last()["id"]).said
    assert f"Building {A}" in logs
    assert "Said in the open" in logs, "what Coolify shows is shown"
    for text in (TOKEN, SECRET):
        assert text not in deployed.said + logs
    see_what_runs(git, A)

    again = git.good("--version", A)
    assert "nothing was changed" in again.said
    assert git.begun() == 1

    git.configure(env_vars={"LOG_LEVEL": "debug", "NEW": "x"})
    git.app.head = C
    git.good()
    assert git.last()["version"] == C, "the newest commit, as Coolify found it out"
    assert values(git) == {"LOG_LEVEL": "debug", "NEW": "x"}

    result = git.fraisier("rollback", "my_api", "production")
    assert result.code == 0, result.said
    assert git.app.commit_that_runs == A
    assert values(git) == {"LOG_LEVEL": "info", "DATABASE_URL": SECRET}


def see_what_runs(target: CoolifyTarget, commit: str) -> None:
    """See that status and probe tell the commit that runs."""
    status = target.fraisier("status", "my_api", "production")
    assert commit[:7] in status.said
    found = target.fraisier("--json", "hosts", "probe", "my_api", "production")
    assert found.code == 0, found.said
    (host,) = found.json["hosts"]
    assert host["running"] == host["release"]["id"]
    assert host["containers"][0]["health"] == "healthy"


@pytest.mark.slow
def test_a_deployment_that_fails_is_stopped_or_rolled_back(git: CoolifyTarget) -> None:
    git.app.healthy = "running:unhealthy"
    first = git.deploy("--version", A)
    assert first.code == 5, first.said
    assert "health_check_failed" in first.said
    assert "no earlier release" in first.said
    assert git.last()["status"] == "failed"
    assert git.app.data["status"] == "exited", "it was stopped"

    git.app.healthy = "running:healthy"
    git.good("--version", A)
    git.app.ends = "failed"
    process = git.fraisier.start(*DEPLOY_B)
    until(lambda: any(d["status"] == "failed" for d in git.app.deployments), 60)
    git.app.ends = "finished"
    said = "".join(process.communicate())
    assert process.returncode == 5, said
    assert "deployment_failed" in said
    assert git.last()["status"] == "rolled_back"
    assert git.last()["version"] == B
    assert git.app.commit_that_runs == A
    assert git.app.data["git_commit_sha"] == A

    git.configure(health_check={"type": "tcp", "host": "127.0.0.1", "port": 9, "timeout": 1})
    edited = git.deploy("--version", C)
    assert edited.code == 5, edited.said
    assert git.last()["status"] == "rolled_back", "the release before is judged as it was then"
    assert git.app.commit_that_runs == A


def test_a_deployment_that_is_cancelled_is_cancelled_at_coolify(git: CoolifyTarget) -> None:
    git.good("--version", A)
    for how in ("Ctrl-C", "SIGTERM", "fraisier cancel"):
        git.app.ends = "never"
        before = git.begun()
        start = git.fraisier.execute if how == "Ctrl-C" else git.fraisier.start
        process = start(*DEPLOY_B)
        until(lambda before=before: git.begun() > before, 60)
        deployment = git.app.deployments[-1]
        if how == "fraisier cancel":
            cancelled = git.fraisier("cancel", git.last()["id"])
            assert cancelled.code == 0, cancelled.said
        else:
            process.send_signal(signal.SIGINT if how == "Ctrl-C" else signal.SIGTERM)
        until(lambda one=deployment: one["status"] == "cancelled-by-user", 60)
        git.app.ends = "finished"
        said = "".join(process.communicate())
        assert process.returncode == 9, f"{how}: {said}"
        assert git.last()["status"] == "cancelled", how
        assert git.app.commit_that_runs == A, how
        assert git.app.data["git_commit_sha"] == A, how


def test_after_a_kill_status_cancels_at_coolify_and_the_next_deployment_works(
    git: CoolifyTarget,
) -> None:
    git.good("--version", A)
    git.app.ends = "never"
    process = git.fraisier.execute(*DEPLOY_B)
    until(lambda: git.begun() == 2, 60)
    process.kill()
    process.communicate()
    status = git.fraisier("status", "my_api", "production")
    assert git.last()["status"] == "interrupted", status.said
    assert git.app.deployments[1]["status"] == "cancelled-by-user"
    assert git.app.data["git_commit_sha"] == A, "what runs"
    assert f"runs {A[:7]}" in git.last()["reason"]
    git.app.ends = "finished"
    assert git.fraisier("unlock", "my_api", "production", "--reason", "looked").code == 0
    git.good("--version", C)
    assert git.app.commit_that_runs == C
    assert git.begun() == 3


def test_the_token_is_in_no_argument_no_record_and_no_state(git: CoolifyTarget) -> None:
    git.app.ends = "never"
    process = git.fraisier.execute("deploy", "my_api", "production", "--version", A)
    until(lambda: git.begun() == 1, 60)
    arguments = b"".join(map(read, Path("/proc").glob("[0-9]*/cmdline")))
    assert b"my_api" in arguments, "the command itself is seen"
    git.app.ends = "finished"
    said = "".join(process.communicate())
    assert process.returncode == 0, said
    told = git.fraisier("--json", "events", git.last()["id"]).said
    state = [file for folder in git.states() for file in folder.rglob("*") if file.is_file()]
    assert state
    files = [file for file in git.folder.rglob("*") if file.is_file()]
    everything = arguments + b"".join(map(read, [*state, *files])) + (said + told).encode()
    assert TOKEN.encode() not in everything
    holding = [file for file in [*state, *files] if SECRET.encode() in read(file)]
    assert {file.name for file in holding} == {"environment"}, "the record of the release"
    assert {oct(file.stat().st_mode & 0o777) for file in holding} == {"0o600"}
    assert SECRET.encode() not in arguments + (said + told).encode()


def read(file: Path) -> bytes:
    """Return what a file holds; nothing of one that is gone."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_what_is_refused_or_only_planned_changes_nothing(git: CoolifyTarget) -> None:
    for strategy in ("rolling", "blue-green", "canary"):
        result = git.deploy("--strategy", strategy)
        assert result.code == 2, result.said
        assert strategy in result.said
    result = git.deploy("--version", A, COOLIFY_TOKEN="")
    assert result.code != 0, result.said
    assert "COOLIFY_TOKEN" in result.said
    assert not git.server.requests

    result = git.deploy("--version", A, COOLIFY_TOKEN="2|another-token")
    assert result.code == 5, result.said
    for text in ("token_refused", "Coolify does not know the token", "no host was changed"):
        assert text in result.said
    assert "another-token" not in result.said

    git.server.add_variable(git.app, "DATABASE_URL", SECRET)
    plan = git.fraisier("plan", "my_api", "production", "--version", B)
    assert plan.code == 0, plan.said
    assert B in plan.said
    assert "DATABASE_URL" in plan.said
    assert SECRET not in plan.said
    assert TOKEN not in plan.said
    assert not [line for line in git.server.requests if line[0] == "PATCH"]
    assert not git.begun()
    assert git.app.data["git_commit_sha"] == "HEAD"
