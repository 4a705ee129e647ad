"""The same commands alone and with a server: the same output, the same codes, the same mistakes.

In this process and with scripted hosts; test_cli_both_ways has one story of each way on real ones.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.deployment import Status
from fraisier.domain.plan import Work
from fraisier.engine.deployments import Deployments, Wish
from fraisier.wiring import Application
from support.in_process import HOST, NAMES, Commands, Project, alone, behind_a_server, close
from support.repository import Repository
from support.signals import handled
from support.target import until

#: What differs from one time to the next.
MEASURED = {"seconds", "duration_seconds", "queue_seconds", "attempts", "triggered_by", "trace_id"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository with one good version; tests add others."""
    base = tmp_path_factory.mktemp("repository")
    made = Repository.create(base, "app", base / "work")
    made.commit("good")
    return made


@pytest.fixture(params=["alone", "server"])
def front(
    request: pytest.FixtureRequest, repository: Repository, tmp_path: Path
) -> Iterator[Commands]:
    """Return the command in both ways."""
    project = Project.create(tmp_path / "project", repository)
    if request.param == "alone":
        yield alone(project)
    else:
        with behind_a_server(project) as served:
            yield served


@pytest.fixture
def served(repository: Repository, tmp_path: Path) -> Iterator[Commands]:
    """Return the command with a server."""
    with behind_a_server(Project.create(tmp_path / "project", repository)) as front:
        yield front


def deployed(front: Commands, note: str = "first") -> str:
    """Deploy a good version and return its SHA, once the host runs it."""
    sha = front.project.repository.commit("good", {"note": note})
    result = front.deploy()
    assert result.code == 0, result.said
    assert front.project.serves == sha
    return sha


def newest(front: Commands) -> dict[str, Any]:
    """Return the newest deployment as the history has it."""
    found: dict[str, Any] = front.json("history", *NAMES, "--limit", "1")["deployments"][0]
    return found


def plain(told: Any) -> Any:
    """Return what was printed without what differs from one time to the next."""
    if isinstance(told, dict):
        return {key: plain(value) for key, value in told.items() if key not in MEASURED}
    if isinstance(told, list):
        return [plain(value) for value in told]
    if isinstance(told, str):
        told = re.sub(r"\b(dep|evt)_[0-9a-z]{26}", r"\1_…", told)
        return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "a time", told)
    return told


def story(front: Commands, good: str, bad: str) -> list[Any]:
    """Return all that is printed from the first look at a bare host to a refused rollback."""
    told = [front.json("list"), front.json("status"), front.json("plan", *NAMES)]
    told.append(front.json("deploy", *NAMES, *front.waiting, "--version", good))
    told.append(front.json("deploy", *NAMES, *front.waiting, "--version", bad, code=5))
    told += [front.json("status", *NAMES), front.json("history", *NAMES)]
    for deployment in front.json("history")["deployments"]:
        told += [front.json(word, deployment["id"]) for word in ("show", "logs")]
        told.append(front.json("events", deployment["id"])["events"])
    told.append(front.json("rollback", *NAMES, "--to-version", bad, code=1))
    return told


def test_both_ways_print_the_same_json(repository: Repository, tmp_path: Path) -> None:
    """One story told twice, from a bare host: modulo ids, times and who asked."""
    bad = repository.commit("http500")
    good = repository.commit("good", {"note": "good"})
    stories = []
    for way in ("alone", "server"):
        project = Project.create(tmp_path / way, repository)
        project.hosts.bad = {HOST: (bad, "gate")}
        if way == "alone":
            stories.append(story(alone(project), good, bad))
        else:
            with behind_a_server(project) as front:
                stories.append(story(front, good, bad))
        assert project.serves == good
    statuses = [each["status"] for each in stories[0][6]["deployments"]]
    assert statuses == ["rolled_back", "success"]
    for here, there in zip(*stories, strict=True):
        assert plain(here) == plain(there)


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["deploy", "nope", "production"], 3, "fraise_not_found"),
        (["deploy", "my_api", "nope"], 4, "environment_not_found"),
        (["deploy", *NAMES, "--version", "no-such-branch"], 1, "version_not_found"),
        (["deploy", *NAMES, "--version", "a b"], 2, "invalid_arguments"),
        (["deploy", *NAMES, "--strategy", "canary"], 2, "invalid_arguments"),
        (["plan", "nope", "production"], 3, "fraise_not_found"),
        (["rollback", "nope", "production"], 3, "fraise_not_found"),
        (["rollback", *NAMES], 8, "refused"),
        (["status", "nope"], 3, "fraise_not_found"),
        (["status", "my_api", "nope"], 4, "environment_not_found"),
        (["history", "my_api", "nope"], 4, "environment_not_found"),
        (["unlock", "my_api", "nope", "--reason", "x"], 4, "environment_not_found"),
        (["unlock", *NAMES, "--reason", "x"], 8, "refused"),
        (["show", "dep_nope"], 1, "deployment_not_found"),
        (["events", "dep_nope"], 1, "deployment_not_found"),
        (["cancel", "dep_nope"], 1, "deployment_not_found"),
        (["logs", "../health"], 1, "deployment_not_found"),
    ],
)
def test_a_mistake_has_the_same_code_both_ways(
    both: list[Commands], words: list[str], code: int, kind: str
) -> None:
    told = [front("--json", *words) for front in both]
    assert [each.code for each in told] == [code, code], [each.said for each in told]
    errors = [each.json["error"] for each in told]
    assert [error["code"] for error in errors] == [kind, kind]
    assert [each.err for each in told] == [
        f"fraisier: {error['message']}\n" + (f"  {error['hint']}\n" if error["hint"] else "")
        for error in errors
    ]
    assert bool(errors[0]["hint"]) == bool(errors[1]["hint"])


@pytest.fixture(scope="module")
def both(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Commands]]:
    """Return both ways to one target for all mistakes: they leave nothing behind."""
    project = Project.create(tmp_path_factory.mktemp("mistakes") / "project", repository)
    with behind_a_server(project) as served:
        yield [alone(project), served]


def test_what_is_seen_while_waiting_is_what_happens(front: Commands) -> None:
    sha = front.project.repository.commit("good", {"note": "watched"})
    result = front.deploy("--follow")
    assert f"my_api → production  {sha[:7]} (main)" in result.err
    assert "      building\n" in result.err
    assert f"✓ {HOST}  {sha[:7]} serves" in result.err
    assert result.out.startswith(f"success  my_api production {sha[:7]} serves (")


def test_a_version_that_is_not_healthy_is_rolled_back_and_ends_with_five(front: Commands) -> None:
    good = deployed(front)
    bad = front.project.repository.commit("http500")
    front.project.hosts.bad = {HOST: (bad, "gate")}
    result = front.deploy("--version", bad)
    assert result.code == 5, result.said
    assert result.out.startswith("rolled_back  my_api production")
    assert newest(front)["status"] == "rolled_back"
    assert front.project.serves == good


def test_a_dry_run_is_the_plan_and_records_nothing(front: Commands) -> None:
    first = front.json("plan", *NAMES)
    assert (first["ok"], first["would_change"], first["hosts"][0]["from"]) == (True, True, None)
    assert front.project.serves is None
    old = deployed(front)
    new = front.project.repository.commit("good", {"note": "newer"})
    plan = front.json("deploy", *NAMES, "--dry-run")
    assert plan == front.json("plan", *NAMES)
    assert (plan["version"], plan["hosts"][0]["from"]["version"]) == (new, old)
    assert front.project.serves == old
    assert len(front.json("history")["deployments"]) == 1
    worded = front("plan", *NAMES)
    assert worded.code == 0, worded.said
    assert f"{old[:7]} → {new[:7]}" in worded.out
    assert worded.out.endswith("1 of 1 hosts would change; nothing was changed\n")


def test_rollback_with_and_without_a_version(front: Commands) -> None:
    old = deployed(front, "old")
    refused = front("rollback", *NAMES)
    assert refused.code == 8, refused.said
    new = deployed(front, "new")
    back = front("rollback", *NAMES, *front.waiting, "--reason", "slow")
    assert back.code == 0, back.said
    assert front.project.serves == old
    assert newest(front)["kind"] == "rollback"
    forth = front("rollback", *NAMES, *front.waiting, "--to-version", new[:10])
    assert forth.code == 0, forth.said
    assert front.project.serves == new
    unknown = front("rollback", *NAMES, "--to-version", "fffffff")
    assert unknown.code == 1, unknown.said


def test_a_held_target_refuses_until_it_is_unlocked(front: Commands) -> None:
    deployed(front)
    held = interrupted(front.project)
    assert front.json("status", *NAMES)["targets"][0]["held_by"] == held
    refused = front.deploy()
    assert refused.code == 8, refused.said
    assert "fraisier unlock my_api production" in refused.err
    assert front.json("unlock", *NAMES, "--reason", "looked") == {"released": held}
    deployed(front, "after")


def interrupted(project: Project) -> str:
    """Leave a deployment behind whose end nobody confirmed, and return its id."""
    application = Application.from_environment(project.config)
    mine = application.member
    deployment = application.deployments.deploy(Wish(*NAMES, "cli:test"), mine.id)
    claimed = application.store.claim(deployment.id, mine.id)
    assert claimed is not None
    application.store.finish(claimed, Status.INTERRUPTED, "the test ended it")
    close(application)
    return deployment.id


def test_the_same_key_gives_the_same_deployment(front: Commands) -> None:
    words = ("deploy", *NAMES, *front.waiting, "--idempotency-key", "build-1")
    first = front.json(*words)
    assert front.json(*words)["id"] == first["id"]
    assert len(front.json("history")["deployments"]) == 1


def test_logs_that_are_followed_are_the_logs_that_are_kept(front: Commands) -> None:
    deployed(front)
    name = newest(front)["id"]
    kept = front("logs", name).out
    assert kept == f"{HOST} build: building\n"
    assert front("logs", name, "--follow").out == kept


def test_who_waits_for_a_deployment_that_others_cancel_ends_with_nine(front: Commands) -> None:
    good = deployed(front)
    front.project.repository.commit("good", {"note": "newer"})

    def cancel(work: Work) -> None:
        other = Application.from_environment(front.project.config)
        Deployments(other.catalogue, other.store, other.repositories, other.inventories).cancel(
            work.deployment_id, "cli:other"
        )
        close(other)

    front.project.hosts.hold(cancel)
    result = front.deploy()
    assert result.code == 9, result.said
    assert newest(front)["status"] == "cancelled"
    assert front.project.serves == good


def test_a_deployment_that_ended_cannot_be_cancelled(front: Commands) -> None:
    deployed(front)
    late = front("cancel", newest(front)["id"])
    assert late.code == 8, late.said
    assert "success" in late.err


def test_alone_ctrl_c_and_a_timeout_cancel_and_change_nothing(
    repository: Repository, tmp_path: Path
) -> None:
    front = alone(Project.create(tmp_path / "project", repository))
    good = deployed(front)
    signals = [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]
    rounds = [(_interrupt(number), (), 9) for number in signals]
    for number, (before, options, code) in enumerate([*rounds, (_outlast, _SHORT, 7)]):
        repository.commit("good", {"note": f"newer {number}"})
        front.project.hosts.before_step = before
        with handled(signal.SIG_DFL, signal.SIGHUP, signal.SIGQUIT):
            result = front.deploy(*options)
        assert result.code == code, result.said
        assert newest(front)["status"] == "cancelled"
        assert front.project.serves == good


_SHORT = ("--timeout", "0.05")


def _interrupt(number: signal.Signals) -> Callable[[Work], None]:
    return lambda _work: os.kill(os.getpid(), number)


def _outlast(_work: Work) -> None:
    signal.sigtimedwait([], 0.1)  # the timeout is over then


def test_with_a_server_a_command_need_not_stay(served: Commands) -> None:
    sha = served.project.repository.commit("good", {"note": "newer"})
    accepted = served.json("deploy", *NAMES)
    assert accepted["status"] in ("pending", "in_progress")
    until(lambda: newest(served)["status"] == "success", seconds=60)
    assert served.project.serves == sha
    worded = served("deploy", *NAMES)
    assert worded.code == 0
    assert f"fraisier logs {newest(served)['id']} --follow" in worded.out


def test_who_stops_waiting_does_not_stop_the_server(served: Commands) -> None:
    """The runner waits for what a cancel makes true: the deployment is under way until then."""
    project = served.project
    inside = project.hosts.hold()
    assert served.json("deploy", *NAMES)["status"] in ("pending", "in_progress")
    assert inside.wait(60)
    running = newest(served)["id"]
    late = served("deploy", *NAMES, "--timeout", "0.5")
    assert late.code == 7, late.said
    waiting = served.json("show", newest(served)["id"])
    assert (waiting["status"], waiting["blocked_by"]) == ("pending", running)
    assert f"fraisier cancel {waiting['id']}" in late.err
    assert served("cancel", waiting["id"]).out.endswith("is cancelled\n")
    assert served.json("show", running)["status"] == "in_progress"
    assert served("cancel", running).code == 0
    until(lambda: served.json("show", running)["status"] == "cancelled", seconds=60)
    assert project.serves is None


def test_tokens_are_managed_on_the_server_as_on_its_machine(served: Commands) -> None:
    here = alone(served.project)
    for front, other in ((served, here), (here, served)):
        made = front.json("token", "create", "team", "--scope", "read", "--only", "other/*")
        assert made["targets"] == ["other/*"]
        seen = {each["id"]: each for each in other.json("token", "list")["tokens"]}
        assert seen[made["id"]].keys() == made.keys() - {"token"}
        team = served.with_token(made["token"])
        assert team.json("list")["targets"] == []
        rotated = front.json("token", "rotate", made["id"])
        assert team("list").code == 6
        team = served.with_token(rotated["token"])
        assert team("list").code == 0
        assert team("token", "list").code == 6
        assert front.json("token", "revoke", made["id"])["valid"] is False
        assert team("list").code == 6
        assert front("token", "revoke", made["id"]).code == 8


def test_a_token_opens_what_its_scope_says_and_is_shown_nowhere(served: Commands) -> None:
    made = alone(served.project).json("token", "create", "reader", "--scope", "read")
    reader = served.with_token(made["token"])
    assert reader("list").code == 0
    for front, command in (
        (reader, ["deploy", *NAMES]),
        (served.with_token("fra_wrong"), ["list"]),
        (served.with_token(""), ["list"]),
    ):
        refused = front("--json", *command)
        assert refused.code == 6, refused.said
        assert json.loads(refused.out)["error"]["hint"]
        token = front.environment["FRAISIER_TOKEN"]
        assert not token or token not in refused.said
    assert "deployments" in alone(served.project).json("history")
    assert alone(served.project).json("history")["deployments"] == []
