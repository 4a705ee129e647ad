"""Deliveries as git hosts send them: shapes field by field from their documentation, and signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

SHA = "4f2d1c0b9a8e7d6c5b4a39281706f5e4d3c2b1a0"
BEFORE = "a0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3d"
ZEROS = "0" * 40
SECRET = "it is between the two of us, and long"
STANDARD = "whsec_" + base64.b64encode(b"k" * 32).decode()
REPOSITORY = "my-org/my-api"
CHANGED = {"added": ["api/new.py"], "modified": ["README.md"], "removed": []}
PERSON = {"name": "Ada", "email": "ada@example.com", "username": "ada"}


def _commit(message: str, **more: Any) -> dict[str, Any]:
    return {
        "id": SHA,
        "message": message,
        "timestamp": "2026-11-20T10:00:00+01:00",
        "url": f"https://git.example.com/my-org/my-api/commit/{SHA}",
        "author": PERSON,
        "committer": PERSON,
        **CHANGED,
        **more,
    }


def github(ref: str = "refs/heads/main", message: str = "one", **more: Any) -> dict[str, Any]:
    """Return a push as GitHub tells of it."""
    commit = _commit(message, tree_id=BEFORE, distinct=True)
    return {
        "ref": ref,
        "before": BEFORE,
        "after": SHA,
        "repository": {
            "id": 35129377,
            "name": "my-api",
            "full_name": REPOSITORY,
            "private": True,
            "owner": {"name": "my-org", "login": "my-org", "id": 6752317},
            "html_url": "https://github.com/my-org/my-api",
            "url": "https://github.com/my-org/my-api",
            "git_url": "git://github.com/my-org/my-api.git",
            "ssh_url": "git@github.com:my-org/my-api.git",
            "clone_url": "https://github.com/my-org/my-api.git",
            "default_branch": "main",
        },
        "pusher": {"name": "ada", "email": "ada@example.com"},
        "sender": {"login": "ada", "id": 6752317, "type": "User"},
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": "https://github.com/my-org/my-api/compare/a0b1...4f2d",
        "commits": [commit],
        "head_commit": commit,
        **more,
    }


def gitlab(ref: str = "refs/heads/main", message: str = "one", **more: Any) -> dict[str, Any]:
    """Return a push as GitLab tells of it."""
    return {
        "object_kind": "push" if ref.startswith("refs/heads/") else "tag_push",
        "event_name": "push" if ref.startswith("refs/heads/") else "tag_push",
        "before": BEFORE,
        "after": SHA,
        "ref": ref,
        "ref_protected": True,
        "checkout_sha": SHA,
        "message": None,
        "user_id": 4,
        "user_name": "Ada",
        "user_username": "ada",
        "project_id": 15,
        "project": {
            "id": 15,
            "name": "My API",
            "web_url": "https://gitlab.com/my-org/my-api",
            "git_ssh_url": "git@gitlab.com:my-org/my-api.git",
            "git_http_url": "https://gitlab.com/my-org/my-api.git",
            "namespace": "my-org",
            "visibility_level": 0,
            "path_with_namespace": REPOSITORY,
            "default_branch": "main",
        },
        "commits": [_commit(message, title=message)],
        "total_commits_count": 1,
        "push_options": {},
        "repository": {"name": "My API", "url": "git@gitlab.com:my-org/my-api.git"},
        **more,
    }


def gitea(ref: str = "refs/heads/main", message: str = "one", **more: Any) -> dict[str, Any]:
    """Return a push as Gitea and Forgejo tell of it."""
    commit = _commit(message, verification=None)
    return {
        "ref": ref,
        "before": BEFORE,
        "after": SHA,
        "compare_url": "https://git.example.com/my-org/my-api/compare/a0b1...4f2d",
        "commits": [commit],
        "total_commits": 1,
        "head_commit": commit,
        "repository": {
            "id": 140,
            "owner": {"id": 1, "login": "my-org", "username": "my-org"},
            "name": "my-api",
            "full_name": REPOSITORY,
            "private": False,
            "fork": False,
            "html_url": "https://git.example.com/my-org/my-api",
            "ssh_url": "ssh://git@git.example.com:2222/my-org/my-api.git",
            "clone_url": "https://git.example.com/my-org/my-api.git",
            "default_branch": "main",
        },
        "pusher": PERSON,
        "sender": PERSON,
        **more,
    }


def gogs(ref: str = "refs/heads/main", message: str = "one", **more: Any) -> dict[str, Any]:
    """Return a push as Gogs tells of it."""
    found = gitea(ref, message)
    del found["total_commits"], found["head_commit"]
    return {**found, **more}


def bitbucket(ref: str = "refs/heads/main", message: str = "one", **more: Any) -> dict[str, Any]:
    """Return a push as Bitbucket Cloud tells of it."""
    branch = ref.startswith("refs/heads/")
    state = {
        "type": "branch" if branch else "tag",
        "name": ref.split("/", 2)[2],
        "target": {
            "type": "commit",
            "hash": SHA,
            "author": {"type": "author", "raw": "Ada <ada@example.com>"},
            "message": message,
            "date": "2026-11-20T09:00:00+00:00",
            "parents": [{"type": "commit", "hash": BEFORE}],
        },
        "links": {"html": {"href": "https://bitbucket.org/my-org/my-api/branch/main"}},
    }
    change = {"new": state, "old": {**state, "target": {**state["target"], "hash": BEFORE}},
              "created": False, "closed": False, "forced": False, "truncated": False,
              "commits": []}  # fmt: skip
    return {
        "actor": {"type": "user", "display_name": "Ada"},
        "repository": {
            "type": "repository",
            "uuid": "{673a6070-3421-46c9-9d48-90745f7bfe8e}",
            "full_name": REPOSITORY,
            "name": "my-api",
            "links": {"html": {"href": "https://bitbucket.org/my-org/my-api"}},
            "project": {"type": "project", "key": "T"},
            "scm": "git",
            "is_private": True,
        },
        "push": {"changes": [change]},
        **more,
    }


def data_center(ref: str = "refs/heads/main", message: str = "one", **more: Any) -> dict[str, Any]:
    """Return a push as Bitbucket Data Center tells of it."""
    kind = "BRANCH" if ref.startswith("refs/heads/") else "TAG"
    name = ref.split("/", 2)[2]
    return {
        "eventKey": "repo:refs_changed",
        "date": "2026-11-20T10:00:00+0100",
        "actor": {"name": "ada", "emailAddress": "ada@example.com", "id": 1, "type": "NORMAL"},
        "repository": {
            "slug": "my-api",
            "id": 84,
            "name": "my-api",
            "scmId": "git",
            "state": "AVAILABLE",
            "project": {"key": "MY-ORG", "id": 84, "name": "My org", "type": "NORMAL"},
            "public": False,
        },
        "changes": [
            {
                "ref": {"id": ref, "displayId": name, "type": kind},
                "refId": ref,
                "fromHash": BEFORE,
                "toHash": SHA,
                "type": "UPDATE",
            }
        ],
        "toCommit": {"id": SHA, "displayId": SHA[:11], "message": message},
        **more,
    }


#: Of each host: how a push looks, and where the same repository can be cloned from.
SAMPLES = {
    "github": (github, "https://github.com/my-org/my-api.git"),
    "gitlab": (gitlab, "https://gitlab.com/my-org/my-api.git"),
    "gitea": (gitea, "ssh://git@git.example.com:2222/my-org/my-api.git"),
    "forgejo": (gitea, "https://git.example.com/my-org/my-api"),
    "gogs": (gogs, "git@git.example.com:my-org/my-api.git"),
    "bitbucket": (bitbucket, "git@bitbucket.org:my-org/my-api.git"),
    "data_center": (data_center, "https://bb.example.com/scm/my-org/my-api.git"),
}


def digest(body: bytes, secret: str = SECRET) -> str:
    """Return the HMAC-SHA256 of a body, in hexadecimal."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(
    body: bytes, number: str, at: float | None = None, key: bytes = b"k" * 32
) -> dict[str, str]:
    """Return the headers of Standard Webhooks."""
    moment = str(int(time.time() if at is None else at))
    signed = hmac.new(key, f"{number}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": number,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def headers(
    host: str, body: bytes, number: str = "11111111-2222", event: str = "", secret: str = SECRET
) -> dict[str, str]:
    """Return the headers that a host sends with a body, those for other hosts among them."""
    signed = digest(body, secret)
    github_like = {"X-GitHub-Delivery": number, "X-GitHub-Event": event or "push"}
    gogs_like = {**github_like, "X-Gogs-Delivery": number, "X-Gogs-Event": event or "push",
                 "X-Gogs-Signature": signed}  # fmt: skip
    gitea_like = {
        **gogs_like,
        "X-Gitea-Delivery": number,
        "X-Gitea-Event": event or "push",
        "X-Gitea-Signature": signed,
        "X-Hub-Signature": "sha1=0123",
        "X-Hub-Signature-256": f"sha256={signed}",
    }
    found = {
        "github": {**github_like, "X-GitHub-Hook-ID": "1",
                   "X-Hub-Signature-256": f"sha256={signed}", "X-Hub-Signature": "sha1=0123"},
        "gitlab": {"X-Gitlab-Event": event or "Push Hook", "X-Gitlab-Token": secret,
                   "Idempotency-Key": number, "X-Gitlab-Event-UUID": number},
        "gitea": gitea_like,
        "forgejo": {**gitea_like, "X-Forgejo-Delivery": number, "X-Forgejo-Event": event or "push",
                    "X-Forgejo-Signature": signed},
        "gogs": gogs_like,
        "bitbucket": {"X-Event-Key": event or "repo:push", "X-Request-UUID": number,
                      "X-Hook-UUID": "x", "X-Attempt-Number": "1",
                      "X-Hub-Signature": f"sha256={signed}"},
        "data_center": {"X-Event-Key": event or "repo:refs_changed", "X-Request-Id": number,
                        "X-Hub-Signature": f"sha256={signed}"},
    }  # fmt: skip
    return {"Content-Type": "application/json", **found[host]}


def form(payload: Any, host: str, number: str = "11111111-2222") -> tuple[bytes, dict[str, str]]:
    """Return a push in a form, as Gitea, Forgejo and Gogs send it: the JSON in it is signed."""
    said = json.dumps(payload, indent=2, ensure_ascii=False)
    shown = headers(host, said.encode(), number)
    body = urlencode({"payload": said}).encode()
    return body, {**shown, "Content-Type": "application/x-www-form-urlencoded"}


def route(host: str) -> str:
    """Return the name of a host in URLs: Bitbucket's two products share one."""
    return "bitbucket" if host == "data_center" else host


def delivery(
    host: str, ref: str = "refs/heads/main", number: str = "11111111-2222", **more: Any
) -> tuple[bytes, dict[str, str]]:
    """Return the body and headers of a push."""
    event = "Tag Push Hook" if host == "gitlab" and ref.startswith("refs/tags/") else ""
    body = json.dumps(SAMPLES[host][0](ref, **more)).encode()
    return body, headers(host, body, number, event)


def mutations(payload: Any) -> list[Any]:
    """Return copies of a payload, in each of which one value is away or of another type."""
    found = []
    for path in _paths(payload):
        for value in (..., None, 7, "x\x00y", "\ud800", [[]], {}, "x" * 3000):
            changed = deepcopy(payload)
            at = changed
            for name in path[:-1]:
                at = at[name]
            if value is ...:
                del at[path[-1]]
            else:
                at[path[-1]] = value
            found.append(changed)
    return found


def _paths(payload: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    named = payload.items() if isinstance(payload, dict) else (
        enumerate(payload) if isinstance(payload, list) else ())  # fmt: skip
    return [path for name, each in named for path in ((*here, name), *_paths(each, (*here, name)))]
