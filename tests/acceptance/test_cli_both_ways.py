"""The same commands alone and with a server: the same output, the same codes, the same hosts."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.deployment import Status
from fraisier.engine.deployments import Wish
from fraisier.lab import Lab
from fraisier.wiring import Application
from support.fronts import NAMES, Front, alone, behind_a_server, new_token
from support.repository import Repository
from support.target import APP_PATH, Target, until, wipe

#: A version with a file `slow` is still being built when a test looks, for so many seconds.
BUILD = """
echo building
if [ -e slow ]; then touch /tmp/building; sleep $(cat slow); touch /tmp/built; fi
"""
ABSENT = "ls /tmp/built 2>/dev/null || true"


@pytest.fixture
def prepared(target: Target) -> Iterator[Target]:
    """Return a target whose slow versions are slow, and one good version in its repository."""
    target.configure(build=[BUILD])
    target.repository.commit("good")
    yield target
    target.inside(target.hosts[0], "rm -f /tmp/building /tmp/built")


@pytest.fixture(params=["alone", "server"])
def front(request: pytest.FixtureRequest, prepared: Target, tmp_path: Path) -> Iterator[Front]:
    """Return the command in both ways."""
    if request.param == "alone":
        yield alone(prepared)
    else:
        with behind_a_server(prepared, tmp_path / "client") as served:
            yield served


@pytest.fixture
def served(prepared: Target, tmp_path: Path) -> Iterator[Front]:
    """Return the command with a server."""
    with behind_a_server(prepared, tmp_path / "client") as front:
        yield front


def deployed(front: Front, note: str = "first") -> str:
    """Deploy a good version and return its SHA, once the host serves it."""
    sha = front.target.repository.commit("good", {"note": note})
    result = front.deploy()
    assert result.code == 0, result.said
    assert front.target.served(front.target.hosts[0]) == sha
    return sha


def newest(front: Front) -> dict[str, Any]:
    """Return the newest deployment as the history has it."""
    found: dict[str, Any] = front.json("history", *NAMES, "--limit", "1")["deployments"][0]
    return found


def building(front: Front) -> str:
    """Wait until the host builds, and return the id of the deployment under way."""
    host = front.target.hosts[0]
    look = "test -e /tmp/building && echo yes || true"
    until(lambda: front.target.inside(host, look) == "yes", seconds=60)
    return str(newest(front)["id"])


def test_a_version_is_deployed_and_everything_about_it_can_be_seen(front: Front) -> None:
    assert front.json("list")["targets"][0]["fraise"] == "my_api"
    assert front.json("history") == {"deployments": []}
    assert front.json("status")["targets"][0]["last_deployment"] is None
    sha = deployed(front)
    last = newest(front)
    assert (last["status"], last["version"]) == ("success", sha)
    assert front.json("show", last["id"])["hosts"][0]["state"] == "changed"
    assert front.json("status", *NAMES)["targets"][0]["hosts"][0]["version"] == sha
    types = [event["type"] for event in front.json("events", last["id"])["events"]]
    assert types[0] == "deployment.queued"
    assert types[-1] == "deployment.completed"
    assert "building" in front("logs", last["id"]).out
    assert front("logs", last["id"], "--follow").out == front("logs", last["id"]).out
    assert front.json("providers")["providers"]


def test_what_is_seen_while_waiting_is_what_happens(front: Front) -> None:
    sha = front.target.repository.commit("good", {"note": "watched"})
    result = front.deploy("--follow")
    assert f"my_api → production  {sha[:7]} (main)" in result.err
    assert "      building\n" in result.err
    assert f"✓ {front.target.hosts[0].address}  {sha[:7]} serves" in result.err
    assert result.out.startswith(f"success  my_api production {sha[:7]} serves (")


def test_a_version_that_is_not_well_is_rolled_back(front: Front) -> None:
    good = deployed(front)
    bad = front.target.repository.commit("http500")
    result = front.deploy("--version", bad)
    assert result.code == 5, result.said
    assert result.out.startswith("rolled_back  my_api production")
    assert newest(front)["status"] == "rolled_back"
    assert front.target.served(front.target.hosts[0]) == good


@pytest.fixture(scope="module")
def both(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Front]]:
    """Return both ways to one target for all mistakes: they leave nothing behind."""
    base = tmp_path_factory.mktemp("mistakes")
    repository = Repository.create(lab.git / "mistakes", "app", base / "work")
    repository.commit("good")
    (base / "project").mkdir()
    target = Target(lab, lab.hosts[:1], repository, base / "project")
    with behind_a_server(target, base / "client") as served:
        yield [alone(target), served]


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
    both: list[Front], words: list[str], code: int, kind: str
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


def test_a_dry_run_tells_what_would_change_and_changes_nothing(front: Front) -> None:
    host = front.target.hosts[0]
    first = front.json("plan", *NAMES)
    assert (first["ok"], first["would_change"], first["hosts"][0]["from"]) == (True, True, None)
    assert front.target.inside(host, f"ls -d {APP_PATH} 2>/dev/null || true") == ""
    old = deployed(front)
    look = f"find {APP_PATH} /etc/systemd/system/my-api.service -printf '%p %T@ %s\\n' | sort"
    before = front.target.inside(host, look)
    new = front.target.repository.commit("good", {"note": "newer"})
    plan = front.json("deploy", *NAMES, "--dry-run")
    assert plan == front.json("plan", *NAMES)
    assert (plan["version"], plan["hosts"][0]["from"]["version"]) == (new, old)
    assert front.target.inside(host, look) == before
    assert len(front.json("history")["deployments"]) == 1
    worded = front("plan", *NAMES)
    assert worded.code == 0, worded.said
    assert f"{old[:7]} → {new[:7]}" in worded.out
    assert worded.out.endswith("1 of 1 hosts would change; nothing was changed\n")


def test_a_deployment_is_cancelled_from_elsewhere(front: Front) -> None:
    good = deployed(front)
    front.target.repository.commit("good", {"slow": "60"})
    waiting = front.begin()
    name = building(front)
    asked = front("cancel", name)
    assert asked.code == 0, asked.said
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 9, out + err
    assert newest(front)["status"] == "cancelled"
    host = front.target.hosts[0]
    assert front.target.served(host) == good
    assert front.target.inside(host, "pgrep -f '[s]leep 60' || true") == ""
    assert front.target.inside(host, ABSENT) == ""
    again = front("cancel", name)
    assert again.code == 8, again.said
    assert "cancelled" in again.err


def test_going_back_by_name_and_without(front: Front) -> None:
    old = deployed(front, "old")
    refused = front("rollback", *NAMES)
    assert refused.code == 8, refused.said
    new = deployed(front, "new")
    host = front.target.hosts[0]
    back = front("rollback", *NAMES, *front.waiting, "--reason", "slow")
    assert back.code == 0, back.said
    assert front.target.served(host) == old
    assert newest(front)["kind"] == "rollback"
    forth = front("rollback", *NAMES, *front.waiting, "--to-version", new[:10])
    assert forth.code == 0, forth.said
    assert front.target.served(host) == new
    unknown = front("rollback", *NAMES, "--to-version", "fffffff")
    assert unknown.code == 1, unknown.said


def test_a_held_target_refuses_until_it_is_unlocked(front: Front) -> None:
    deployed(front)
    held = interrupted(front.target)
    assert front.json("status", *NAMES)["targets"][0]["held_by"] == held
    refused = front.deploy()
    assert refused.code == 8, refused.said
    assert "fraisier unlock my_api production" in refused.err
    assert front.json("unlock", *NAMES, "--reason", "looked") == {"released": held}
    deployed(front, "after")


def interrupted(target: Target) -> str:
    """Leave a deployment behind whose end nobody confirmed, and return its id."""
    application = Application.from_environment(str(target.folder / "fraises.yaml"))
    mine = application.member
    deployment = application.deployments.deploy(Wish(*NAMES, "cli:test"), mine.id)
    claimed = application.store.claim(deployment.id, mine.id)
    assert claimed is not None
    application.store.finish(claimed, Status.INTERRUPTED, "the test ended it")
    mine.leave()
    return deployment.id


def test_the_same_key_gives_the_same_deployment(front: Front) -> None:
    words = ("deploy", *NAMES, *front.waiting, "--idempotency-key", "build-1")
    first = front.json(*words)
    assert front.json(*words)["id"] == first["id"]
    assert len(front.json("history")["deployments"]) == 1
    other = front("rollback", *NAMES, "--to-version", "abcd")
    assert other.code != 0


def test_lines_are_followed_while_they_come(front: Front) -> None:
    front.target.repository.commit("good", {"slow": "4"})
    waiting = front.begin()
    name = building(front)
    following = front.fraisier.start("logs", name, "--follow")
    out, err = following.communicate(timeout=60)
    assert following.returncode == 0, out + err
    assert f"{front.target.hosts[0].address} build: building\n" in out
    assert out == front("logs", name).out
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0


def test_both_ways_print_the_same_json(prepared: Target, tmp_path: Path) -> None:
    """One story told twice, from a bare host: modulo ids, times and who asked."""
    bad = prepared.repository.commit("http500")
    good = prepared.repository.commit("good", {"note": "good"})

    def story(front: Front) -> list[Any]:
        told = [front.json("list"), front.json("status"), front.json("plan", *NAMES)]
        told.append(front.json("deploy", *NAMES, *front.waiting, "--version", good))
        told.append(front.json("deploy", *NAMES, *front.waiting, "--version", bad, code=5))
        told += [front.json("status", *NAMES), front.json("history", *NAMES)]
        for deployment in front.json("history")["deployments"]:
            told += [front.json(word, deployment["id"]) for word in ("show", "logs")]
            found = front.json("events", deployment["id"])["events"]
            told.append([event for event in found if not event["type"].startswith("runner.")])
        told.append(front.json("rollback", *NAMES, "--to-version", bad, code=1))
        return told

    first = story(alone(prepared))
    wipe(prepared.hosts[0])
    (prepared.folder / "fraisier.db").unlink()
    with behind_a_server(prepared, tmp_path / "client") as front:
        second = story(front)
    for here, there in zip(first, second, strict=True):
        assert plain(here) == plain(there)


MEASURED = {"seconds", "duration_seconds", "queue_seconds", "attempts", "triggered_by", "trace_id"}


def plain(told: Any) -> Any:
    """Return what was printed without what differs from one time to the next."""
    if isinstance(told, dict):
        return {key: plain(value) for key, value in told.items() if key not in MEASURED}
    if isinstance(told, list):
        return [plain(value) for value in told]
    if isinstance(told, str):
        told = re.sub(r"\b(dep|evt)_[0-9a-z]{26}", r"\1_…", told)
        told = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "a time", told)
        return re.sub(r"\b\d{8}-\d{6}-", "a release of ", told)
    return told


def test_with_a_server_a_command_need_not_stay(served: Front) -> None:
    sha = served.target.repository.commit("good", {"note": "newer"})
    accepted = served.json("deploy", *NAMES)
    assert accepted["status"] in ("pending", "in_progress")
    until(lambda: newest(served)["status"] == "success", seconds=60)
    assert served.target.served(served.target.hosts[0]) == sha
    worded = served("deploy", *NAMES)
    assert worded.code == 0
    assert f"fraisier logs {newest(served)['id']} --follow" in worded.out


def test_who_stops_waiting_does_not_stop_the_server(served: Front) -> None:
    served.target.repository.commit("good", {"slow": "60"})
    waiting = served.begin()
    name = building(served)
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 7, out + err
    assert f"fraisier cancel {name}" in err
    late = served("deploy", *NAMES, "--timeout", "0.5")
    assert late.code == 7, late.said
    assert f"waiting: {name}" in late.err
    assert newest(served)["status"] == "pending"
    assert served("cancel", newest(served)["id"]).out.endswith("is cancelled\n")
    assert served.json("show", name)["status"] == "in_progress"
    assert served("cancel", name).code == 0
    until(lambda: served.json("show", name)["status"] == "cancelled", seconds=60)


def test_what_runs_on_the_hosts_is_tended_through_a_server(
    prepared: Target, tmp_path: Path
) -> None:
    host, data = prepared.hosts[0], f"{APP_PATH}/shared/data"
    pid, written = "systemctl show --value -p MainPID my-api", f"cat {data}/words"
    prepared.configure({"backup": {"paths": ["shared/data"]}})
    with behind_a_server(prepared, tmp_path / "client") as served:
        sha = deployed(served)
        first = prepared.inside(host, pid)
        assert served.json("app", "status", *NAMES)["hosts"][0]["unit"]["main_pid"] == int(first)
        restarted = served("app", "restart", *NAMES)
        assert restarted.code == 0, restarted.said
        assert prepared.inside(host, pid) not in (first, "0")
        assert served("app", "stop", *NAMES).code == 0
        assert prepared.served(host) is None
        assert served("app", "status", *NAMES).code == 5
        assert served("app", "start", *NAMES).code == 0
        assert prepared.served(host) == sha
        done = served.json("app", "exec", *NAMES, "--", "id", "-un")
        assert done["hosts"][0]["output"] == "app\n"
        assert "Started" in served("app", "logs", *NAMES).out

        prepared.inside(host, f"mkdir -p {data} && echo before > {data}/words")
        taken = served.json("backups", "take", *NAMES)["hosts"][0]["backups"][0]["id"]
        prepared.inside(host, f"echo after > {data}/words")
        listed = served.json("backups", "list", *NAMES)["hosts"][0]["backups"]
        assert listed[0]["id"] == taken
        restored = served("backups", "restore", *NAMES, taken, "--yes")
        assert restored.code == 0, restored.said
        assert prepared.inside(host, written) == "before"
        assert prepared.served(host) == sha

        noted = [each["action"] for each in served.json("audit")["audit"]]
    verbs = ["app.restart", "app.stop", "app.start", "app.exec", "backup.take", "backup.restore"]
    assert [action for action in reversed(noted) if action in verbs] == verbs


def test_tokens_are_managed_on_the_server_as_on_its_machine(served: Front) -> None:
    here = alone(served.target)
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


def test_a_token_opens_what_its_scope_says_and_is_shown_nowhere(served: Front) -> None:
    reader = served.with_token(new_token(served.target, "read"))
    assert reader("list").code == 0
    for front, command in (
        (reader, ["deploy", *NAMES]),
        (served.with_token("fra_wrong"), ["list"]),
        (served.with_token(""), ["list"]),
    ):
        refused = front("--json", *command)
        assert refused.code == 6, refused.said
        assert json.loads(refused.out)["error"]["hint"]
        token = front.fraisier.environment["FRAISIER_TOKEN"]
        assert not token or token not in refused.said
