"""What each git host's payloads say, field by field as its documentation has them.

Sources: GitHub "Webhook events and payloads", GitLab "Webhook events", Gitea and Forgejo
"Webhooks", Gogs "Webhooks", Bitbucket Cloud and Data Center "Event payloads".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fraisier.domain.push import BRANCH, TAG, Push, Received
from fraisier.webhooks.incoming.reading import (
    branch_or_tag,
    changed,
    commit,
    existed,
    message,
    of,
    pushed,
    text,
    urls,
    value,
)

#: What GitLab calls pushes, and what its administrators' hooks call everything that happens.
GITLAB_PUSHES, GITLAB_SYSTEM = ("Push Hook", "Tag Push Hook"), "System Hook"
#: From so many commits on GitHub leaves out the others, and does not say so.
GITHUB_COMMITS = 2048
_URLS = ("clone_url", "ssh_url", "git_url", "html_url")
_BITBUCKET_TYPES = {"branch": BRANCH, "named_branch": BRANCH, "tag": TAG, "annotated_tag": TAG}


def pushes_of(*events: str) -> Callable[[str, bytes], bool]:
    """Return what tells pushes from other deliveries of a host, by the names of their events."""
    return lambda event, _body: event in events


def may_push_of_gitlab(event: str, body: bytes) -> bool:
    """Tell whether a delivery of GitLab may be about a push; a system hook says it in its payload.

    What cannot be read may be: then it is refused where it is read whole.
    """
    if event != GITLAB_SYSTEM:
        return event in GITLAB_PUSHES
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return True
    return _is_push_of_gitlab(said)


def github(event: str, data: Any) -> Received:
    """Return what a delivery of GitHub says; raise UsageError."""
    if event == "ping":
        return Received(event, pong=True)
    if event != "push":
        return Received(event)
    found = _common(data, "after")
    commits = value(data, "commits", list, [])
    odd = value(data, "forced", bool, False) or value(data, "created", bool, False)
    return Received(event, _one(data, found, commits, not odd and len(commits) < GITHUB_COMMITS))


def gitea(event: str, data: Any) -> Received:
    """Return what a delivery of Gitea or Forgejo says; raise UsageError."""
    if event != "push":
        return Received(event)
    commits = value(data, "commits", list, [])
    total = value(data, "total_commits", int, -1)
    whole = total == len(commits) and existed(data)
    return Received(event, _one(data, _common(data, "after"), commits, whole))


def gogs(event: str, data: Any) -> Received:
    """Return what a delivery of Gogs says; it lists a few commits and not how many there are."""
    if event == "ping":
        return Received(event, pong=True)
    if event != "push":
        return Received(event)
    commits = value(data, "commits", list, [])
    return Received(event, _one(data, _common(data, "after"), commits, False))


def gitlab(event: str, data: Any) -> Received:
    """Return what a delivery of GitLab says; raise UsageError."""
    wanted = event in GITLAB_PUSHES or (event == GITLAB_SYSTEM and _is_push_of_gitlab(data))
    if not wanted:
        return Received(event)
    after = commit(data, "after")
    sha = after and (
        commit(data, "checkout_sha") if value(data, "checkout_sha", str, "") else after
    )
    commits = value(data, "commits", list, [])
    whole = value(data, "total_commits_count", int, -1) == len(commits)
    ref = branch_or_tag(data, "ref")
    found = pushed(
        text(data, "project.path_with_namespace"),
        urls(data, "project.git_http_url", "project.git_ssh_url", "project.web_url"),
        ref,
        sha,
        message=message(of(commits, sha), "message"),
        paths=changed(commits, whole and ref[0] == BRANCH and existed(data)),
    )
    return Received(event, tuple(found))


def _is_push_of_gitlab(data: Any) -> bool:
    kinds = (
        [data.get(key) for key in ("object_kind", "event_name")] if isinstance(data, dict) else []
    )
    return any(kind in ("push", "tag_push") for kind in kinds)


def bitbucket(event: str, data: Any) -> Received:
    """Return what a delivery of Bitbucket says, Cloud or Data Center; raise UsageError."""
    if event == "diagnostics:ping":
        return Received(event, pong=True)
    if event == "repo:push":
        return Received(event, tuple(_cloud(data)))
    if event == "repo:refs_changed":
        return Received(event, tuple(_data_center(data)))
    return Received(event)


def _cloud(data: Any) -> list[Push]:
    repository, places = (
        text(data, "repository.full_name"),
        urls(data, "repository.links.html.href"),
    )
    found: list[Push] = []
    for change in value(data, "push.changes", list):
        new = value(change, "new", dict, None)
        deleted = new is None
        state = value(change, "old", dict) if deleted else new
        kind = _BITBUCKET_TYPES.get(text(state, "type"), "")
        sha = "" if deleted else commit(state, "target.hash")
        told = "" if deleted else message(state, "target.message")
        found += pushed(repository, places, (kind, text(state, "name")), sha, message=told)
    return found


def _data_center(data: Any) -> list[Push]:
    project, slug = text(data, "repository.project.key"), text(data, "repository.slug")
    clones = value(data, "repository.links.clone", list, [])
    places = tuple(url for each in clones for url in urls(each, "href"))
    newest = value(data, "toCommit", dict, {})
    found: list[Push] = []
    for change in value(data, "changes", list):
        sha = commit(change, "toHash")
        told = message(newest, "message") if value(newest, "id", str, "") == sha else ""
        ref = branch_or_tag(change, "ref.id")
        found += pushed(f"{project}/{slug}", places, ref, sha, message=told)
    return found


def _common(data: Any, after: str) -> tuple[str, tuple[str, ...], tuple[str, str], str]:
    """Return (repository, URLs, ref, SHA) as GitHub and those that follow it say them."""
    sha = commit(data, after)
    if value(data, "deleted", bool, False):
        sha = ""
    if sha and value(data, "head_commit", dict, None) is not None:
        sha = commit(data, "head_commit.id")  # of an annotated tag `after` is the tag's own
    places = urls(data, *(f"repository.{name}" for name in _URLS))
    return text(data, "repository.full_name"), places, branch_or_tag(data, "ref"), sha


def _one(
    data: Any,
    found: tuple[str, tuple[str, ...], tuple[str, str], str],
    commits: list[Any],
    whole: bool,
) -> tuple[Push, ...]:
    repository, places, ref, sha = found
    newest = value(data, "head_commit", dict, None) or of(commits, sha)
    paths = changed(commits, whole and ref[0] == BRANCH)
    told = message(newest, "message")
    return tuple(pushed(repository, places, ref, sha, message=told, paths=paths))
