"""What is read of each git host's payloads, in the shapes of their documentation."""

from __future__ import annotations

from typing import Any

import pytest

from fraisier.domain.errors import UsageError
from fraisier.domain.push import DeployOn, Listening, Push, Received
from fraisier.webhooks.incoming import HOSTS
from support.pushing import BEFORE, SAMPLES, SHA, ZEROS, bitbucket, data_center, github, route

EVENTS = {"gitlab": "Push Hook", "bitbucket": "repo:push", "data_center": "repo:refs_changed"}


def read(host: str, payload: Any, event: str = "") -> Received:
    """Return what a host's payload says."""
    return HOSTS[route(host)].read(event or EVENTS.get(host, "push"), payload)


def one(host: str, *arguments: Any, event: str = "", **more: Any) -> Push:
    """Return the only push of a host's sample."""
    (found,) = read(host, SAMPLES[host][0](*arguments, **more), event).pushes
    return found


@pytest.mark.parametrize("host", SAMPLES)
def test_a_push_to_a_branch(host: str) -> None:
    found = one(host, "refs/heads/feature/x", message="two lines\n\nof it")
    assert (found.kind, found.name, found.commit) == ("branch", "feature/x", SHA)
    assert found.message == "two lines\n\nof it"
    assert found.repository.lower() == "my-org/my-api"
    assert Listening("a", "b", SAMPLES[host][1], DeployOn("main")).is_of(found)
    assert not Listening("a", "b", "https://github.com/o/r", DeployOn("main")).is_of(found)


@pytest.mark.parametrize("host", SAMPLES)
def test_a_push_of_a_tag(host: str) -> None:
    event = "Tag Push Hook" if host == "gitlab" else ""
    found = one(host, "refs/tags/v1.2", event=event)
    assert (found.kind, found.name, found.commit) == ("tag", "v1.2", SHA)
    assert found.paths is None


@pytest.mark.parametrize("host", SAMPLES)
def test_which_files_were_changed_is_known_or_not(host: str) -> None:
    known = host in ("github", "gitlab", "gitea", "forgejo")
    assert one(host).paths == (("README.md", "api/new.py") if known else None)


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("github", {"forced": True}),
        ("github", {"created": True}),
        ("github", {"commits": []}),
        ("gitlab", {"total_commits_count": 40}),
        ("gitlab", {"before": ZEROS}),
        ("gitea", {"total_commits": 6}),
        ("forgejo", {"before": ZEROS}),
    ],
)
def test_where_files_may_be_missing_none_are_known(host: str, more: dict[str, Any]) -> None:
    assert one(host, **more).paths is None


@pytest.mark.parametrize("host", ["github", "gitlab", "gitea", "forgejo"])
@pytest.mark.parametrize("absent", [("added", "modified", "removed"), ("removed",)])
@pytest.mark.parametrize("null", [True, False])
def test_a_list_that_is_null_or_missing_says_nothing_of_files(
    host: str, absent: tuple[str, ...], null: bool
) -> None:
    lists: dict[str, Any] = {"added": [], "modified": ["README.md"], "removed": []}
    known = {key: names for key, names in lists.items() if key not in absent}
    commit = {"id": SHA, "message": "one", **(dict.fromkeys(absent) if null else {}), **known}
    assert one(host, commits=[commit]).paths is None
    whole = {**commit, **{key: [] for key in absent}}
    assert one(host, commits=[whole]).paths == (("README.md",) if absent == ("removed",) else ())


@pytest.mark.parametrize("host", ["github", "gitlab", "gitea", "forgejo"])
def test_a_commit_that_is_null_and_a_push_without_its_before_are_read(host: str) -> None:
    assert one(host, commits=[None]).paths is None
    assert one(host, commits=None).paths is None
    if host != "github":
        assert one(host, before=None).paths is None


def test_a_push_by_a_system_hook_of_gitlab_is_one() -> None:
    """GitLab "System hooks": the payload says what it is about; commits are often not listed."""
    bare = {"commits": [], "total_commits_count": 2, "message": None}
    found = one("gitlab", event="System Hook", **bare)
    assert (found.kind, found.name, found.commit, found.paths) == ("branch", "main", SHA, None)
    assert one("gitlab", event="System Hook").paths == ("README.md", "api/new.py")
    tag = one("gitlab", "refs/tags/v1", event="System Hook", after="f" * 40, **bare)
    assert (tag.kind, tag.name, tag.commit) == ("tag", "v1", SHA)
    gone = {"after": ZEROS, "checkout_sha": None, **bare}
    assert one("gitlab", event="System Hook", **gone).commit == ""


@pytest.mark.parametrize(
    "other",
    [
        {"event_name": "repository_update", "changes": [], "refs": ["refs/heads/main"]},
        {"event_name": "project_create", "path_with_namespace": "my-org/my-api"},
        {"object_kind": "merge_request"},
        {"object_kind": ["push"], "event_name": {}},
        [],
        None,
    ],
)
def test_other_system_hooks_are_no_push(other: Any) -> None:
    assert read("gitlab", other, "System Hook") == Received("System Hook")


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("github", {"after": ZEROS, "deleted": True, "head_commit": None, "commits": []}),
        ("gitlab", {"after": ZEROS, "checkout_sha": None, "commits": []}),
        ("gitea", {"after": ZEROS, "head_commit": None, "commits": []}),
        ("forgejo", {"after": ZEROS, "head_commit": None, "commits": None}),
        ("gogs", {"after": ZEROS, "commits": []}),
    ],
)
def test_what_was_deleted_has_no_commit(host: str, more: dict[str, Any]) -> None:
    assert one(host, **more).commit == ""


def test_what_was_deleted_on_bitbucket_has_no_commit() -> None:
    payload = bitbucket()
    payload["push"]["changes"][0].update(new=None, closed=True)
    (found,) = read("bitbucket", payload).pushes
    assert (found.kind, found.name, found.commit) == ("branch", "main", "")
    payload = data_center()
    payload["changes"][0].update(toHash=ZEROS, type="DELETE")
    (found,) = read("data_center", payload).pushes
    assert found.commit == ""


@pytest.mark.parametrize("wrong", [{}, {"type": "branch", "name": "main"}])
def test_a_push_to_bitbucket_without_its_commit_is_not_taken_for_the_commit_before(
    wrong: dict[str, Any],
) -> None:
    payload = bitbucket()
    payload["push"]["changes"][0]["new"] = wrong
    with pytest.raises(UsageError, match="payload"):
        read("bitbucket", payload)


def test_an_annotated_tag_comes_to_its_commit() -> None:
    tag = "f" * 40
    assert one("github", "refs/tags/v1", after=tag).commit == SHA
    event = "Tag Push Hook"
    assert one("gitlab", "refs/tags/v1", event=event, after=tag).commit == SHA


def test_a_delivery_of_bitbucket_may_hold_several_pushes() -> None:
    payload = bitbucket()
    payload["push"]["changes"] += bitbucket("refs/tags/v1")["push"]["changes"]
    names = [(push.kind, push.name) for push in read("bitbucket", payload).pushes]
    assert names == [("branch", "main"), ("tag", "v1")]
    payload = data_center()
    payload["changes"] += data_center("refs/tags/v1")["changes"]
    assert len(read("data_center", payload).pushes) == 2


@pytest.mark.parametrize(
    ("host", "event"),
    [("github", "ping"), ("gogs", "ping"), ("bitbucket", "diagnostics:ping")],
)
def test_a_test_is_a_pong(host: str, event: str) -> None:
    assert read(host, {"zen": "x"}, event) == Received(event, pong=True)


@pytest.mark.parametrize("host", SAMPLES)
def test_other_events_and_other_refs_are_no_push(host: str) -> None:
    assert read(host, {}, "something_else").pushes == ()
    if host != "bitbucket":
        assert read(host, SAMPLES[host][0]("refs/notes/x")).pushes == ()


@pytest.mark.parametrize(
    "more",
    [
        {"after": "main"},
        {"after": SHA[:12]},
        {"after": SHA.upper()},
        {"after": "--upload-pack=x"},
        {"ref": "refs/heads/a\nb"},
        {"ref": 7},
        {"repository": None},
        {"commits": "x"},
        {"commits": [{"added": [7]}]},
        {"head_commit": {"id": "{{ 7*7 }}"}},
    ],
)
def test_what_no_host_sends_is_refused_with_its_place(more: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="payload"):
        read("github", github(**more))


def test_of_more_files_than_are_looked_at_none_are_known() -> None:
    commit = {"id": SHA, "added": [f"f{n}" for n in range(2001)]}
    assert one("github", commits=[commit]).paths is None
    assert BEFORE != SHA
