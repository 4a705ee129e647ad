"""The modules deploy, roll back and cancel at a fake Coolify."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import coolify_follow
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from support.coolify import TOKEN, App, Coolify, coolify
from support.coolify_machine import Answer, Machine, machine
from support.coolify_target import SECRET
from support.server import free_port

A, B, C = "a" * 40, "b" * 40, "c" * 40
STOP = "POST /api/v1/applications/app-git/stop"


@pytest.fixture
def server() -> Iterator[Coolify]:
    """Return a Coolify of its own."""
    with coolify() as found:
        yield found


@pytest.fixture
def git(server: Coolify, tmp_path: Path) -> Iterator[Machine]:
    """Return a machine that deploys an application which Coolify builds from git."""
    with machine(server, server.add_git(), tmp_path) as found:
        yield found


@pytest.fixture
def image(server: Coolify, tmp_path: Path) -> Iterator[Machine]:
    """Return a machine that deploys an application which Coolify runs from an image."""
    with machine(server, server.add_image(), tmp_path) as found:
        yield found


@pytest.fixture
def stack(server: Coolify, tmp_path: Path) -> Iterator[Machine]:
    """Return a machine that restarts a service of Coolify's."""
    with machine(server, server.add_stack(), tmp_path) as found:
        yield found


def failed(answer: Answer, code: str, *said: str, switched: bool) -> Answer:
    """See that a deployment failed with a code and words, after or before the switch."""
    assert answer.failed
    assert answer["code"] == code, answer
    for text in said:
        assert text in answer.said
    assert answer["switched"] is switched
    return answer


# --- deploying -----------------------------------------------------------------------------


def test_a_commit_is_deployed_and_followed(git: Machine) -> None:
    answer = git.good(A)
    assert answer["changed"]
    assert answer["switched"]
    assert git.app.commit_that_runs == A
    assert git.begun() == 1
    assert answer["release"]["version"] == A
    assert answer["release"]["status"] == "good"
    assert git.app.envs["DATABASE_URL"]["value"] == SECRET
    assert git.app.envs["LOG_LEVEL"] | {"uuid": ""} == {
        "uuid": "", "key": "LOG_LEVEL", "value": "info", "real_value": "info",
        "is_preview": False, "is_literal": True, "is_multiline": False,
    }  # fmt: skip
    (log,) = [entry["text"] for entry in answer["log"] if entry["step"] == "follow"]
    assert log.startswith(f"Building {A}.\nSaid in the open: ")
    assert "env:" not in log, "what Coolify hides stays hidden"


def test_the_same_commit_again_changes_nothing(git: Machine) -> None:
    git.good(A)
    again = git.good(A)
    assert not again["changed"]
    assert not again["switched"]
    assert again["gate"]["passed"], "its health is checked all the same"
    assert git.begun() == 1


def test_without_a_version_the_newest_commit_is_deployed_and_reported(git: Machine) -> None:
    git.good(A)
    git.app.head = C
    answer = git.good()
    assert git.app.data["git_commit_sha"] == "HEAD"
    assert answer["release"]["version"] == C
    assert git.app.commit_that_runs == C


def test_an_image_takes_tags_and_digests(image: Machine) -> None:
    name, digest = "registry.example.com/my-org/api", "d" * 64
    image.good("1.5")
    assert image.app.image_that_runs == f"{name}:1.5"
    answer = image.good(f"sha256:{digest}")
    assert image.app.image_that_runs == f"{name}@sha256:{digest}"
    assert answer["release"]["version"] == f"sha256:{digest}"
    assert image.restore()["release"]["version"] == "1.5"
    assert image.app.image_that_runs == f"{name}:1.5"


def test_a_service_is_restarted_and_has_no_versions(stack: Machine) -> None:
    answer = stack.good()
    assert stack.server.asked("POST /api/v1/services/svc-stack/restart") == 1
    assert stack.app.envs["LOG_LEVEL"]["value"] == "info"
    assert answer["gate"]["seconds"] >= 10, "its status before the restart is shown for a while"
    failed(stack.deploy("1.0"), "version_invalid", "Compose file", switched=False)
    assert stack.server.asked("POST /api/v1/services/svc-stack/restart") == 1


def test_a_token_that_may_read_no_values_is_enough(git: Machine) -> None:
    git.server.tokens[TOKEN].remove("read:sensitive")
    git.good(A)
    git.options["env_vars"], git.secrets = {"LOG_LEVEL": "debug"}, {}
    git.good(B)
    assert git.values() == {"LOG_LEVEL": "debug"}
    git.restore()
    assert git.values() == {"LOG_LEVEL": "info", "DATABASE_URL": SECRET}


def test_a_version_that_is_no_commit_is_refused(git: Machine) -> None:
    failed(git.deploy("1.5"), "version_invalid", "40 digits", switched=False)
    assert not git.begun()


def test_a_preview_changes_nothing_and_shows_no_secret(git: Machine) -> None:
    git.good(A)
    before = len(git.server.requests)
    answer = git.deploy(B, _ansible_check_mode=True)
    assert not answer.failed
    assert answer["changed"]
    (entry,) = answer["diff"]
    assert entry["before"] == f"version: {A}\nDATABASE_URL: (secret)\nLOG_LEVEL: info\n"
    assert entry["after"] == f"version: {B}\nDATABASE_URL: (secret)\nLOG_LEVEL: info\n"
    assert not [line for line in git.server.requests[before:] if line[0] == "PATCH"]
    assert git.app.data["git_commit_sha"] == A
    assert git.begun() == 1


def test_a_probe_tells_what_runs(git: Machine) -> None:
    git.good(A)
    found = git.probe()
    assert not found["changed"]
    assert found["running"] == found["release"]["id"]
    assert found["release"]["version"] == A
    assert found["containers"][0]["health"] == "healthy"
    assert found["under_way"] == []


def test_the_check_before_a_deployment_changes_nothing_at_coolify(git: Machine) -> None:
    answer = git.check(A)
    assert not answer.failed
    assert answer["fence"] == 1
    assert answer["probe"]["running"] is None
    assert git.app.data["git_commit_sha"] == "HEAD"
    assert not git.begun()


# --- rolling back --------------------------------------------------------------------------


def fail_to_build(app: App) -> None:
    """Make the next deployment fail."""
    app.ends = "failed"


def be_cancelled(app: App) -> None:
    """Make somebody cancel the next deployment."""
    app.ends = "cancelled"


def never_end(app: App) -> None:
    """Make the next deployment last for ever."""
    app.ends = "never"


def be_unhealthy(app: App) -> None:
    """Make the next deployment come out unhealthy."""
    app.healthy = "running:unhealthy"


@pytest.mark.parametrize(
    ("go_wrong", "code", "status", "left"),
    [
        (fail_to_build, "deployment_failed", "failed", "bad"),
        (be_unhealthy, "health_check_failed", "finished", "bad"),
        (be_cancelled, "deployment_cancelled", "cancelled-by-user", "prepared"),
        (never_end, "deployment_timeout", "cancelled-by-user", "bad"),
    ],
)
def test_after_a_deployment_that_goes_wrong_the_earlier_commit_is_deployed_again(
    git: Machine, go_wrong: Callable[[App], None], code: str, status: str, left: str
) -> None:
    git.good(A)
    git.options["timeout"] = 60
    go_wrong(git.app)
    answer = failed(git.deploy(B), code, switched=True)
    assert git.app.deployments[1]["status"] == status
    assert answer["release"]["version"] == B
    assert answer["release"]["status"] == left
    assert answer["previous"]["version"] == A
    git.app.ends, git.app.healthy = "finished", "running:healthy"
    git.go_back(answer)
    assert git.app.commit_that_runs == A
    assert git.app.data["git_commit_sha"] == A
    assert {r["version"]: r["status"] for r in git.probe()["releases"]} == {A: "good", B: "bad"}
    assert git.begun() == 3


def test_what_is_not_healthy_is_reported_in_coolifys_words(git: Machine) -> None:
    be_unhealthy(git.app)
    answer = git.deploy(A)
    failed(answer, "health_check_failed", "Coolify says running:unhealthy", switched=True)


def test_a_rollback_brings_back_the_commit_and_its_variables(git: Machine) -> None:
    git.good(A)
    git.options["env_vars"], git.secrets = {"LOG_LEVEL": "debug", "NEW": "x"}, {}
    git.good(B)
    assert git.values() == {"LOG_LEVEL": "debug", "NEW": "x"}
    git.restore()
    assert git.app.commit_that_runs == A
    assert git.values() == {"LOG_LEVEL": "info", "DATABASE_URL": SECRET}


def test_a_secret_of_an_earlier_release_is_hidden_when_it_is_rolled_back_to(git: Machine) -> None:
    git.good(A)
    git.secrets = {"DATABASE_URL": "another-secret"}
    git.good(B)
    answer = git.restore()  # which sees that no answer has it
    (log,) = [entry["text"] for entry in answer["log"] if entry["step"] == "follow"]
    assert "Said in the open: ['********', 'info']" in log
    assert git.values()["DATABASE_URL"] == SECRET


def test_what_somebody_deployed_before_is_rolled_back_to(git: Machine) -> None:
    git.app.data["git_commit_sha"] = C
    git.server.add_variable(git.app, "LOG_LEVEL", "warning")
    git.server.by_hand(git.app, "finished")
    assert git.good(A)["previous"]["version"] == C
    git.restore()
    assert git.app.commit_that_runs == C
    assert git.values() == {"LOG_LEVEL": "warning"}


def test_a_known_release_that_somebody_deployed_again_is_the_previous_one(git: Machine) -> None:
    known = git.good(A)["release"]["id"]
    git.good(B)
    git.app.data["git_commit_sha"] = A
    git.server.by_hand(git.app, "finished")
    assert git.good(C)["previous"] == {"id": known, "version": A, "good": True}


@pytest.mark.parametrize(("go_wrong", "stops"), [(fail_to_build, 0), (be_unhealthy, 1)])
def test_a_first_deployment_that_fails_is_stopped(
    git: Machine, go_wrong: Callable[[App], None], stops: int
) -> None:
    go_wrong(git.app)
    answer = git.deploy(A)
    assert answer.failed
    assert answer["previous"] is None
    git.go_back(answer)
    assert git.app.data["status"] == "exited"
    assert git.server.asked(STOP) == stops, "what does not run need not be stopped"
    assert git.probe()["release"] is None


def test_a_health_check_that_is_configured_must_pass_too(git: Machine) -> None:
    git.good(A)
    git.options["health_check"] = {"type": "tcp", "port": free_port()}
    failed(git.deploy(B), "health_check_failed", "connection refused", switched=True)


# --- deployments of others, cancelling, dying ----------------------------------------------


def test_a_deployment_of_somebody_else_is_not_disturbed(git: Machine) -> None:
    git.good(A)
    other = git.server.by_hand(git.app)
    answer = git.deploy(B)
    failed(answer, "deployment_under_way", other["deployment_uuid"], switched=False)
    assert not answer["changed"]
    assert git.begun() == 1
    assert git.app.data["git_commit_sha"] == A
    assert other["status"] == "in_progress"


def test_a_deployment_of_somebody_else_is_waited_for_where_that_is_configured(
    git: Machine,
) -> None:
    git.options["wait_for_others"] = 60
    other = git.server.by_hand(git.app)

    def end_after_a_while(pauses: int) -> None:
        if pauses <= 3:
            assert git.begun() == 0
            assert git.app.data["git_commit_sha"] == "HEAD"
        if pauses == 3:
            other["status"] = "finished"

    git.clock.at_pause = end_after_a_while
    git.good(B)
    assert len(git.clock.pauses) >= 3
    assert git.app.commit_that_runs == B


def test_a_deployment_of_somebody_else_is_waited_for_no_longer_than_configured(
    git: Machine,
) -> None:
    git.options["wait_for_others"] = 60
    other = git.server.by_hand(git.app)
    failed(git.deploy(B), "deployment_under_way", other["deployment_uuid"], switched=False)
    assert 0 < sum(git.clock.pauses) <= 60
    assert not git.begun()


def end_while_following(git: Machine, end: BaseException) -> None:
    """Make the next module end in this way once Coolify has begun its deployment."""
    never_end(git.app)
    before = git.begun()

    def at_pause(_pauses: int) -> None:
        if git.begun() > before:
            git.clock.at_pause = None
            raise end

    git.clock.at_pause = at_pause


def test_a_module_that_is_stopped_cancels_its_deployment(git: Machine) -> None:
    git.good(A)
    end_while_following(git, Failure("terminated", "the run was stopped by SIGTERM"))
    answer = failed(git.deploy(B), "terminated", switched=True)
    assert git.app.deployments[1]["status"] == "cancelled-by-user"
    git.app.ends = "finished"
    git.go_back(answer)
    assert git.app.commit_that_runs == A
    assert git.app.data["git_commit_sha"] == A


class Killed(BaseException):
    """Stands for SIGKILL: nothing is done after it."""


def kill_while_following(git: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a deployment of B be killed while it follows Coolify's."""
    git.good(A)
    end_while_following(git, Killed())
    with monkeypatch.context() as patch:
        patch.setattr(coolify_follow, "cancel", lambda *_arguments: False)
        with pytest.raises(Killed):
            git.deploy(B)
    assert git.app.deployments[1]["status"] == "in_progress"


def test_after_a_kill_a_probe_that_stops_cancels_the_deployment(
    git: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_while_following(git, monkeypatch)
    assert git.probe()["under_way"] == [git.app.deployments[1]["deployment_uuid"]]
    found = git.probe(stop=True, installation="machine", deployment="dep_0001", turn=2)
    assert found["stopped"]
    assert found["sealed"]
    assert found["under_way"] == []
    assert git.app.deployments[1]["status"] == "cancelled-by-user"
    git.app.ends = "finished"
    git.good(C)
    assert git.app.commit_that_runs == C
    assert git.begun() == 3


def test_after_a_kill_the_next_deployment_cancels_the_one_before(
    git: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_while_following(git, monkeypatch)

    def succeed_once_it_is_cancelled(_pauses: int) -> None:
        git.app.ends = "finished"

    git.clock.at_pause = succeed_once_it_is_cancelled
    git.good(C)
    assert git.app.deployments[1]["status"] == "cancelled-by-user"
    assert git.app.commit_that_runs == C
    assert git.begun() == 3
