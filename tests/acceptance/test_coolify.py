"""Applications and services of a Coolify that keeps to its published document, from the command."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.coolify import TOKEN, App, Coolify, Fault, coolify
from support.coolify_target import SECRET, CoolifyTarget
from support.server import free_port
from support.target import until

A, B, C = "a" * 40, "b" * 40, "c" * 40
Make = Callable[[App], CoolifyTarget]


@pytest.fixture
def server() -> Iterator[Coolify]:
    """Return a Coolify of its own."""
    with coolify() as found:
        yield found


@pytest.fixture
def make(server: Coolify, tmp_path: Path) -> Iterator[Make]:
    """Return a function that makes the target of an application."""
    made: list[CoolifyTarget] = []

    def target(app: App) -> CoolifyTarget:
        made.append(CoolifyTarget(tmp_path, server, app))
        made[-1].remove()
        return made[-1]

    yield target
    for each in made:
        each.remove()


@pytest.fixture
def git(server: Coolify, make: Make) -> CoolifyTarget:
    """Return a target that Coolify builds from git."""
    return make(server.add_git())


@pytest.fixture
def image(server: Coolify, make: Make) -> CoolifyTarget:
    """Return a target that Coolify runs from an image."""
    return make(server.add_image())


def test_a_commit_is_deployed_and_followed(git: CoolifyTarget) -> None:
    result = git.good("--version", A)
    assert git.app.commit_that_runs == A
    assert git.begun() == 1
    assert git.last()["version"] == A
    assert git.app.envs["DATABASE_URL"]["value"] == SECRET
    assert git.app.envs["LOG_LEVEL"] | {"uuid": ""} == {
        "uuid": "", "key": "LOG_LEVEL", "value": "info", "real_value": "info",
        "is_preview": False, "is_literal": True, "is_multiline": False,
    }  # fmt: skip
    logs = git.fraisier("logs", git.last()["id"]).said
    assert "Building" in logs
    assert "Said in the open" in logs, "what Coolify shows is told"
    for text in (TOKEN, SECRET):
        assert text not in result.said + logs


def test_the_same_commit_again_changes_nothing(git: CoolifyTarget) -> None:
    git.good("--version", A)
    again = git.good("--version", A)
    assert "nothing was changed" in again.said
    assert git.begun() == 1


def test_without_a_version_the_newest_commit_is_found_out(git: CoolifyTarget) -> None:
    git.good("--version", A)
    git.app.head = C
    git.good()
    assert git.app.data["git_commit_sha"] == "HEAD"
    assert git.last()["version"] == C


def test_a_deployment_that_fails_goes_back(git: CoolifyTarget) -> None:
    git.good("--version", A)
    git.app.ends = "failed"
    process = git.fraisier.start("deploy", "my_api", "production", "--version", B)
    until(lambda: any(d["status"] == "failed" for d in git.app.deployments))
    git.app.ends = "finished"
    said = "".join(process.communicate())
    assert process.returncode == 5, said
    assert "deployment_failed" in said
    assert git.last()["status"] == "rolled_back"
    assert git.last()["version"] == B
    assert git.app.commit_that_runs == A
    assert git.app.data["git_commit_sha"] == A


def test_a_service_that_is_not_well_goes_back(git: CoolifyTarget) -> None:
    git.good("--version", A)
    git.app.healthy = "running:unhealthy"
    process = git.fraisier.start("deploy", "my_api", "production", "--version", B)
    until(lambda: git.app.commit_that_runs == B)
    git.app.healthy = "running:healthy"
    said = "".join(process.communicate())
    assert process.returncode == 5, said
    assert "health_check_failed" in said
    assert "running:unhealthy" in said
    assert git.app.commit_that_runs == A


def test_a_rollback_brings_back_the_commit_and_its_variables(git: CoolifyTarget) -> None:
    git.good("--version", A)
    git.configure(env_vars={"LOG_LEVEL": "debug", "NEW": "x"})
    git.good("--version", B)
    assert set(git.app.envs) == {"LOG_LEVEL", "NEW"}
    result = git.fraisier("rollback", "my_api", "production")
    assert result.code == 0, result.said
    assert git.app.commit_that_runs == A
    assert {k: v["value"] for k, v in git.app.envs.items()} == {
        "LOG_LEVEL": "info",
        "DATABASE_URL": SECRET,
    }


def test_an_image_takes_tags_and_digests(image: CoolifyTarget) -> None:
    name, digest = "registry.example.com/my-org/api", "d" * 64
    image.good("--version", "1.5")
    assert image.app.image_that_runs == f"{name}:1.5"
    image.good("--version", f"sha256:{digest}")
    assert image.app.image_that_runs == f"{name}@sha256:{digest}"
    assert image.last()["version"] == f"sha256:{digest}"
    assert image.fraisier("rollback", "my_api", "production").code == 0
    assert image.app.image_that_runs == f"{name}:1.5"


def test_a_service_is_restarted_and_has_no_versions(server: Coolify, make: Make) -> None:
    stack = make(server.add_stack())
    stack.configure({"strategy_config": {"healthy_deadline": 5, "min_healthy_time": 0.5}})
    stack.good()
    assert server.asked("POST /api/v1/services/svc-stack/restart") == 1
    assert stack.app.envs["LOG_LEVEL"]["value"] == "info"
    refused = stack.deploy("--version", "1.0")
    assert refused.code == 5, refused.said
    assert "version_invalid" in refused.said


def test_what_somebody_deployed_before_is_what_is_gone_back_to(git: CoolifyTarget) -> None:
    git.app.data["git_commit_sha"] = C
    git.app.envs["LOG_LEVEL"] = {"uuid": "e1", "key": "LOG_LEVEL", "value": "warning"}
    git.server.by_hand(git.app, "finished")
    git.good("--version", A)
    assert git.fraisier("rollback", "my_api", "production").code == 0
    assert git.app.commit_that_runs == C
    assert {k: v["value"] for k, v in git.app.envs.items()} == {"LOG_LEVEL": "warning"}


def test_a_first_deployment_that_fails_is_stopped(git: CoolifyTarget) -> None:
    git.app.ends = "failed"
    result = git.deploy("--version", A)
    assert result.code == 5, result.said
    assert git.last()["status"] == "failed"
    assert "no earlier release" in result.said


# --- others, cancelling, dying -------------------------------------------------------------


def test_a_deployment_of_somebody_else_is_not_torn(git: CoolifyTarget) -> None:
    git.good("--version", A)
    other = git.server.by_hand(git.app)
    result = git.deploy("--version", B)
    assert result.code == 5, result.said
    assert other["deployment_uuid"] in result.said
    assert git.begun() == 1
    assert git.app.data["git_commit_sha"] == A
    assert other["status"] == "in_progress"


def test_a_deployment_of_somebody_else_is_waited_for(git: CoolifyTarget) -> None:
    git.configure(wait_for_others=60)
    other = git.server.by_hand(git.app)
    process = git.fraisier.start("deploy", "my_api", "production", "--version", B)
    until(lambda: git.server.asked("GET /api/v1/deployments/applications") > 3)
    assert git.begun() == 0
    other["status"] = "finished"
    said = "".join(process.communicate())
    assert process.returncode == 0, said
    assert git.app.commit_that_runs == B


def test_somebody_cancels_it_at_coolify(git: CoolifyTarget) -> None:
    git.good("--version", A)
    git.app.ends = "cancelled"
    process = git.fraisier.start("deploy", "my_api", "production", "--version", B)
    until(lambda: git.app.deployments[-1]["status"] == "cancelled-by-user")
    git.app.ends = "finished"
    said = "".join(process.communicate())
    assert process.returncode == 5, said
    assert "deployment_cancelled" in said
    assert git.app.commit_that_runs == A


def test_one_that_never_ends_is_cancelled_in_time(git: CoolifyTarget) -> None:
    git.good("--version", A)
    git.configure(timeout=1)
    git.app.ends = "never"
    process = git.fraisier.start("deploy", "my_api", "production", "--version", B)
    until(lambda: git.app.deployments[-1]["status"] == "cancelled-by-user")
    git.app.ends = "finished"
    said = "".join(process.communicate())
    assert process.returncode == 5, said
    assert "deployment_timeout" in said
    assert git.last()["status"] == "rolled_back"
    assert git.app.commit_that_runs == A


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_cancels_at_coolify(git: CoolifyTarget, stop: signal.Signals) -> None:
    git.good("--version", A)
    git.app.ends = "never"
    process = git.fraisier.start("deploy", "my_api", "production", "--version", B)
    until(lambda: git.begun() == 2)
    process.send_signal(stop)
    until(lambda: git.app.deployments[1]["status"] == "cancelled-by-user")
    git.app.ends = "finished"
    said = "".join(process.communicate())
    assert process.returncode == 9, said
    assert git.last()["status"] == "cancelled"
    assert git.app.commit_that_runs == A
    assert git.app.data["git_commit_sha"] == A


def test_after_a_kill_the_next_look_cancels_it_and_the_next_deployment_works(
    git: CoolifyTarget,
) -> None:
    git.good("--version", A)
    git.app.ends = "never"
    process = git.fraisier.start("deploy", "my_api", "production", "--version", B)
    until(lambda: git.begun() == 2)
    process.kill()
    process.communicate()
    status = git.fraisier("status", "my_api", "production")
    assert git.last()["status"] == "interrupted", status.said
    assert git.app.deployments[1]["status"] == "cancelled-by-user"
    git.app.ends = "finished"
    assert git.fraisier("unlock", "my_api", "production", "--reason", "looked").code == 0
    git.good("--version", C)
    assert git.app.commit_that_runs == C
    assert git.begun() == 3


def test_another_command_cancels_it(git: CoolifyTarget) -> None:
    git.good("--version", A)
    git.app.ends = "never"
    process = git.fraisier.start("deploy", "my_api", "production", "--version", B)
    until(lambda: git.begun() == 2)
    cancelled = git.fraisier("cancel", git.last()["id"])
    assert cancelled.code == 0, cancelled.said
    until(lambda: git.app.deployments[1]["status"] == "cancelled-by-user")
    git.app.ends = "finished"
    said = "".join(process.communicate())
    assert process.returncode == 9, said
    assert git.app.commit_that_runs == A


def test_the_token_is_in_no_argument_no_record_and_no_state(git: CoolifyTarget) -> None:
    git.app.ends = "never"
    process = git.fraisier.start("deploy", "my_api", "production", "--version", A)
    until(lambda: git.begun() == 1)
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


def test_a_token_that_may_read_no_values_is_enough(git: CoolifyTarget) -> None:
    git.server.tokens[TOKEN].remove("read:sensitive")
    git.good("--version", A)
    git.configure(env_vars={"LOG_LEVEL": "debug"})
    git.good("--version", B)
    assert set(git.app.envs) == {"LOG_LEVEL"}
    assert git.fraisier("rollback", "my_api", "production").code == 0
    assert {k: v["value"] for k, v in git.app.envs.items()} == {
        "LOG_LEVEL": "info",
        "DATABASE_URL": SECRET,
    }


def test_a_check_of_ones_own_is_asked_too(git: CoolifyTarget) -> None:
    git.good("--version", A)
    check = {"type": "tcp", "port": free_port()}
    git.configure(health_check=check)
    result = git.deploy("--version", B)
    assert result.code in (5, 10), result.said
    assert "connection refused" in result.said


# --- faults --------------------------------------------------------------------------------

START = "POST /api/v1/applications/app-git/start"


@pytest.mark.parametrize("kind", ["lost", "truncated"])
def test_a_deployment_whose_answer_is_lost_is_found_and_not_asked_for_twice(
    git: CoolifyTarget, kind: str
) -> None:
    git.server.faults.append(Fault(START, kind))
    git.good("--version", A)
    assert git.begun() == 1
    assert git.server.asked(START) == 1
    assert git.app.commit_that_runs == A


def test_a_deployment_that_does_not_show_itself_is_not_asked_for_again(git: CoolifyTarget) -> None:
    git.server.faults.append(Fault(START, "reset", times=99))
    result = git.deploy("--version", A)
    assert result.code == 5, result.said
    assert "trigger_lost" in result.said
    assert git.begun() == 0
    assert [fault.times for fault in git.server.faults] == [98]


def test_a_rate_limit_is_kept_to(git: CoolifyTarget) -> None:
    git.server.faults.append(Fault(START, "status", 429, times=2, retry_after=1))
    git.server.faults.append(Fault("GET /api/v1/deployments/dep", "status", 429, retry_after=1))
    git.good("--version", A)
    assert git.begun() == 1


@pytest.mark.parametrize("kind", ["reset", "status", "truncated"])
def test_looks_that_fail_are_repeated(git: CoolifyTarget, kind: str) -> None:
    git.server.faults.append(Fault("GET ", kind, times=1))
    git.server.faults.append(Fault("GET /api/v1/deployments/dep", kind, times=2))
    git.good("--version", A)
    assert all(fault.times == 0 for fault in git.server.faults)
    assert git.begun() == 1


def test_a_coolify_that_hangs_is_not_waited_for_longer_than_said(git: CoolifyTarget) -> None:
    git.configure(request_timeout=0.5)
    git.server.faults.append(Fault("GET /api/v1/deployments/dep", "hang", times=2, seconds=5))
    git.good("--version", A)


# --- wrong from the start ------------------------------------------------------------------


def refused(target: CoolifyTarget, *said: str, **environment: str) -> None:
    """See that a deployment is refused with these words, and that Coolify was not changed."""
    result = target.deploy("--version", A, **environment)
    assert result.code == 5, result.said
    for text in said:
        assert text in result.said
    assert "no host was changed" in result.said
    assert not target.begun()
    assert target.app.data.get("git_commit_sha") == "HEAD"
    assert TOKEN not in result.said


def test_a_bad_token_is_said(git: CoolifyTarget) -> None:
    refused(
        git, "token_refused", "Coolify does not know the token", COOLIFY_TOKEN="2|another-token"
    )


@pytest.mark.parametrize("missing", ["write", "deploy"])
def test_a_missing_ability_is_said_before_anything_is_changed(
    git: CoolifyTarget, missing: str
) -> None:
    git.server.tokens[TOKEN].remove(missing)
    refused(git, "coolify_forbidden", f"Missing required permissions: {missing}")


def test_a_wrong_uuid_is_said(git: CoolifyTarget) -> None:
    git.configure(application_uuid="nothing-has-this")
    refused(git, "coolify_not_found", "application_uuid")


def test_a_token_without_a_value_is_said(git: CoolifyTarget) -> None:
    result = git.deploy("--version", A, COOLIFY_TOKEN="")
    assert result.code != 0
    assert "COOLIFY_TOKEN" in result.said
    assert not git.server.requests


def test_a_version_that_means_nothing_is_said(git: CoolifyTarget) -> None:
    result = git.deploy("--version", "1.5")
    assert result.code == 5, result.said
    assert "version_invalid" in result.said
    assert "40 digits" in result.said


@pytest.mark.parametrize("strategy", ["rolling", "blue-green", "canary"])
def test_strategies_that_are_coolifys_own_are_refused(git: CoolifyTarget, strategy: str) -> None:
    result = git.deploy("--strategy", strategy)
    assert result.code == 2, result.said
    assert strategy in result.said
    assert not git.server.requests


def test_a_plan_changes_nothing_and_shows_no_secret(git: CoolifyTarget) -> None:
    git.good("--version", A)
    before = len(git.server.requests)
    result = git.fraisier("plan", "my_api", "production", "--version", B)
    assert result.code == 0, result.said
    assert B in result.said
    assert SECRET not in result.said
    changing = [line for line in git.server.requests[before:] if line[0] == "PATCH"]
    assert not changing
    assert git.begun() == 1


def test_status_and_probe_tell_what_runs(git: CoolifyTarget) -> None:
    git.good("--version", A)
    status = git.fraisier("status", "my_api", "production")
    assert A[:7] in status.said
    found = git.fraisier("--json", "hosts", "probe", "my_api", "production")
    assert found.code == 0, found.said
    (host,) = found.json["hosts"]
    assert host["running"] == host["release"]["id"]
    assert host["containers"][0]["health"] == "healthy"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Yield the address of a plain web server."""
    port = free_port()
    argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    process = subprocess.Popen(argv, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """True once something listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_closed_port_is_said(git: CoolifyTarget) -> None:
    git.configure(url=f"http://127.0.0.1:{free_port()}", env_vars=None)
    refused(git, "coolify_unreachable", "connection refused", "check the url")


def test_something_that_is_not_coolify_is_said(git: CoolifyTarget, tmp_path: Path) -> None:
    with served(tmp_path) as url:
        git.configure(url=url)
        refused(git, "coolify_not_found")


def certificate(folder: Path) -> tuple[str, str]:
    """Return a certificate for localhost that its own key signed, and that key."""
    make = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    files = str(folder / "server.pem"), str(folder / "server.key")
    name = ["-addext", "subjectAltName=DNS:localhost"]
    argv = ["openssl", *make.split(), *name, "-out", files[0], "-keyout", files[1]]
    subprocess.run(argv, check=True, capture_output=True)
    return files


def test_a_certificate_that_nobody_vouches_for_is_refused_until_somebody_does(
    git: CoolifyTarget, tmp_path: Path
) -> None:
    file, key = certificate(tmp_path)
    git.server.secure(file, key)
    git.configure()
    refused(git, "coolify_tls", "ca_file")
    git.configure(ca_file="./server.pem")
    git.good("--version", A)
    git.remove()


def test_a_server_that_speaks_no_tls_is_said(git: CoolifyTarget) -> None:
    git.configure(url=git.server.url.replace("http://", "https://"))
    refused(git, "coolify_tls")
