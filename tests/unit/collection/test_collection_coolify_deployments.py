"""The modules deploy, roll back and cancel at a fake Coolify."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    coolify_activate,
    coolify_follow,
    coolify_resource,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from support.coolify import TOKEN, App, Coolify, Fault, coolify
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
    tried = git.check(A, _ansible_check_mode=True)
    assert (tried.failed, tried["fence"]) == (False, 0)
    assert list(git.folder.iterdir()) == [], "and nothing here, where it is only tried"
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


# --- what is not the application's own ------------------------------------------------------


def test_a_failed_deployment_goes_back_to_what_ran_and_not_to_a_preview(git: Machine) -> None:
    git.good(A)
    git.server.preview(git.app, C)
    assert git.probe()["running"] == git.probe()["release"]["id"]
    fail_to_build(git.app)
    answer = failed(git.deploy(B), "deployment_failed", switched=True)
    assert answer["previous"]["version"] == A
    git.app.ends = "finished"
    assert git.go_back(answer)["release"]["version"] == A
    assert git.app.data["git_commit_sha"] == git.app.commit_that_runs == A
    assert C not in {release["version"] for release in git.probe()["releases"]}


def test_a_preview_under_way_neither_blocks_nor_is_waited_for_nor_cancelled(git: Machine) -> None:
    preview = git.server.preview(git.app, C, "in_progress")
    assert git.probe()["under_way"] == []
    git.good(A)
    assert git.app.commit_that_runs == A
    assert preview["status"] == "in_progress"


def test_a_preview_begun_by_the_api_is_not_taken_for_a_deployment_whose_answer_was_lost(
    git: Machine,
) -> None:
    git.server.faults.append(Fault("POST /api/v1/applications/app-git/start", "reset"))

    def begin_a_preview(pauses: int) -> None:
        if pauses == 1:
            git.server.by_hand(git.app, "in_progress", pull_request_id=3, is_api=True)

    git.clock.at_pause = begin_a_preview
    failed(git.deploy(A), "trigger_lost", switched=True)


def test_somebody_elses_deployment_by_the_api_is_not_taken_for_ours(git: Machine) -> None:
    git.server.faults.append(Fault("POST /api/v1/applications/app-git/start", "reset"))

    def deploy_another(pauses: int) -> None:
        if pauses == 1:
            git.server.by_hand(git.app, "in_progress", commit=C, is_api=True)

    git.clock.at_pause = deploy_another
    failed(git.deploy(A), "trigger_lost", switched=True)
    assert git.app.deployments[0]["status"] == "in_progress"


def test_previews_do_not_hide_what_the_application_runs(git: Machine) -> None:
    git.app.data["git_commit_sha"] = C
    git.server.by_hand(git.app, "finished")
    for number in range(1, 60):
        git.server.preview(git.app, B, number=number)
    assert git.good(A)["previous"]["version"] == C
    other = git.server.by_hand(git.app)
    for number in range(1, 60):
        git.server.preview(git.app, B, number=number)
    failed(git.deploy(B), "deployment_under_way", other["deployment_uuid"], switched=False)


def test_a_commit_that_is_configured_and_was_not_deployed_is_not_what_runs(git: Machine) -> None:
    git.app.data |= {"git_commit_sha": C, "status": "running:healthy"}
    git.server.preview(git.app, B)
    fail_to_build(git.app)
    answer = git.deploy(A)
    assert answer["previous"]["version"] == "HEAD"
    back = git.try_to_go_back(answer)
    assert back["code"] == "nothing_to_restore", back


def test_what_this_machine_saw_running_is_known_without_coolifys_history(git: Machine) -> None:
    git.good(A)
    git.app.deployments.clear()
    assert git.good(B)["previous"]["version"] == A
    git.restore()
    assert git.app.commit_that_runs == A


def test_a_tag_that_is_configured_and_was_not_deployed_is_not_what_runs(image: Machine) -> None:
    image.server.by_hand(image.app, "finished")
    image.app.data["docker_registry_image_tag"] = "1.1"
    fail_to_build(image.app)
    answer = failed(image.deploy("1.5"), "deployment_failed", switched=True)
    assert answer["previous"]["version"] == "1.0", "as the log of the deployment tells"
    image.app.ends = "finished"
    image.go_back(answer)
    assert image.app.image_that_runs == f"{API}:1.0"


def test_an_image_whose_tag_is_not_known_is_not_rolled_back_to_the_latest(image: Machine) -> None:
    image.server.tokens[TOKEN].remove("read:sensitive")
    image.server.by_hand(image.app, "finished")
    image.server.by_hand(image.app, "failed")
    image.app.ends = "failed"
    answer = failed(image.deploy("1.5"), "deployment_failed", switched=True)
    assert image.try_to_go_back(answer)["code"] == "nothing_to_restore"


# --- images ----------------------------------------------------------------------------------

HEX = "d" * 64
API = "registry.example.com/my-org/api"


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        (f"{API}@sha256", f"sha256-{HEX}"),
        (f"{API}@sha256", HEX),
        (API, f"sha256-{HEX}"),
        (API, f"sha256-{HEX.upper()}"),
    ],
)
def test_a_digest_is_rolled_back_to_however_coolify_spells_it(
    server: Coolify, tmp_path: Path, name: str, tag: str
) -> None:
    app = server.add_image(name=name, tag=tag)
    server.by_hand(app, "finished")
    with machine(server, app, tmp_path) as image:
        assert image.good("1.5")["previous"]["version"] == f"sha256:{HEX}"
        assert app.image_that_runs == f"{API}:1.5"
        assert image.restore()["release"]["version"] == f"sha256:{HEX}"
        assert app.image_that_runs == f"{API}@sha256:{HEX}"
        image.good(f"sha256-{HEX}")
        assert not image.good(f"sha256:{HEX}")["changed"], "it runs already"


def test_a_digest_of_an_earlier_fraisier_is_rolled_back_to(image: Machine) -> None:
    image.good("1.5")
    image.good("1.6")
    (record,) = (f for f in image.folder.rglob("*.json") if '"1.5"' in f.read_text())
    old = json.loads(record.read_text())
    old |= {"version": f"sha256:sha256-{HEX}", "spec": {"kind": "image", "uuid": "dep0001"}}
    record.write_text(json.dumps(old))
    assert image.restore()["release"]["version"] == f"sha256:{HEX}"
    assert image.app.image_that_runs == f"{API}@sha256:{HEX}"


def test_an_image_without_a_version_is_deployed_again_and_a_named_one_is_not(
    image: Machine,
) -> None:
    image.good("1.5")
    assert not image.good("1.5")["changed"]
    assert image.begun() == 1
    plan = image.deploy("", _ansible_check_mode=True)
    assert plan["changed"]
    again = image.good()
    assert again["changed"]
    assert image.begun() == 2
    assert again["release"]["version"] == "1.5"
    image.good()
    assert image.begun() == 3


def test_an_image_that_is_unhealthy_when_deployed_again_counts_as_switched(image: Machine) -> None:
    """What served before is gone, so that the end may not say that it serves still."""
    image.good()
    be_unhealthy(image.app)
    answer = failed(image.deploy(), "health_check_failed", switched=True)
    assert image.try_to_go_back(answer)["code"] == "health_check_failed"
    image.app.healthy = "running:healthy"
    assert image.go_back(answer)["release"]["status"] == "good"


def test_an_image_that_fails_to_be_deployed_again_can_still_be_rolled_back_to(
    image: Machine,
) -> None:
    image.good("1.5")
    image.app.ends = "failed"
    failed(image.deploy(), "deployment_failed", switched=False)
    image.app.ends = "finished"
    assert image.good("1.6")["previous"]["version"] == "1.5"


def test_a_rollback_brings_back_the_name_of_the_image_too(image: Machine) -> None:
    image.good("1.5")
    image.app.data["docker_registry_image_name"] = "registry.example.com/my-org/other"
    changed = image.good("1.5")
    assert changed["changed"], "another image has the same tag"
    assert image.app.image_that_runs == "registry.example.com/my-org/other:1.5"
    image.restore(to=changed["previous"]["id"])
    assert image.app.image_that_runs == f"{API}:1.5"


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
    assert git.app.data["git_commit_sha"] == B
    assert git.probe()["under_way"] == [git.app.deployments[1]["deployment_uuid"]]
    found = git.probe(stop=True, installation="machine", deployment="dep_0001", turn=2)
    assert found["stopped"]
    assert found["sealed"]
    assert found["under_way"] == []
    assert git.app.deployments[1]["status"] == "cancelled-by-user"
    assert git.app.data["git_commit_sha"] == A, "what runs"
    assert found["release"]["version"] == A
    assert found["running"] == found["release"]["id"]
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


def stop(machine: Machine) -> Answer:
    """Settle as Fraisier does what a killed run left."""
    return machine.probe(stop=True, installation="machine", deployment="dep_0001", turn=2)


@pytest.mark.parametrize("when", ["change_variables", "ask", "verify", "follow", "judge"])
def test_wherever_a_run_is_killed_the_settings_are_those_of_what_runs(
    git: Machine, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    git.good(A)
    git.options["env_vars"], git.secrets = {"LOG_LEVEL": "debug", "NEW": "x"}, {}
    module, name = {
        "change_variables": (coolify_resource.Resource, "set_variables"),
        "ask": (coolify_resource.Resource, "start"),
        "verify": (coolify_follow, "_is_there"),
        "follow": (coolify_activate, "follow"),
        "judge": (coolify_activate, "healthy"),
    }[when]

    def die(*_arguments: object, **_more: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, die)
        with pytest.raises(Killed):
            git.deploy(B)
    assert git.app.data["git_commit_sha"] == B
    assert stop(git)["sealed"]
    runs = B if when == "judge" else A
    assert git.app.data["git_commit_sha"] == git.app.commit_that_runs == runs
    assert git.app.envs["LOG_LEVEL"]["value"] == ("debug" if runs == B else "info")
    assert ("NEW" in git.app.envs) is (runs == B)
    assert not list(git.folder.rglob("underway.json"))
    git.good(C)
    assert git.app.commit_that_runs == C


def test_a_run_killed_between_a_failure_and_the_rollback_leaves_the_commit_that_runs(
    git: Machine,
) -> None:
    git.good(A)
    fail_to_build(git.app)
    failed(git.deploy(B), "deployment_failed", switched=True)
    assert git.app.data["git_commit_sha"] == B
    found = stop(git)
    assert not found["stopped"], "nothing was at work any more"
    assert git.app.data["git_commit_sha"] == git.app.commit_that_runs == A


def test_a_rollback_that_is_killed_leaves_the_commit_that_runs(
    git: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    git.good(A)
    git.good(B)
    fail_to_build(git.app)
    answer = failed(git.deploy(C), "deployment_failed", switched=True)
    git.app.ends = "never"
    end_while_following(git, Killed())
    with monkeypatch.context() as patch:
        patch.setattr(coolify_follow, "cancel", lambda *_arguments: False)
        with pytest.raises(Killed):
            git.go_back(answer)
    stop(git)
    assert git.app.data["git_commit_sha"] == git.app.commit_that_runs == B


def test_what_somebody_set_after_a_kill_is_left_alone(
    git: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_while_following(git, monkeypatch)
    git.app.data["git_commit_sha"] = C
    stop(git)
    assert git.app.data["git_commit_sha"] == C


def test_a_note_of_an_earlier_fraisier_is_read(
    git: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_while_following(git, monkeypatch)
    (note,) = git.folder.rglob("underway.json")
    written = json.loads(note.read_text())
    note.write_text(json.dumps({name: written[name] for name in ("known", "uuid", "at")}))
    assert stop(git)["sealed"]
    assert git.app.deployments[1]["status"] == "cancelled-by-user"


def test_an_image_without_a_version_after_a_kill_is_not_the_one_that_was_killed(
    image: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    image.good("1.5")
    end_while_following(image, Killed())
    with monkeypatch.context() as patch:
        patch.setattr(coolify_follow, "cancel", lambda *_arguments: False)
        with pytest.raises(Killed):
            image.deploy("1.6")

    def succeed_once_it_is_cancelled(_pauses: int) -> None:
        image.app.ends = "finished"

    image.clock.at_pause = succeed_once_it_is_cancelled
    assert image.good()["release"]["version"] == "1.5"
    assert image.app.image_that_runs == f"{API}:1.5"
