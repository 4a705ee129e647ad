"""Pushes to git repositories as their hosts tell of them, and which of them deploy what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fraisier.domain.globs import matches
from fraisier.domain.secret import SecretReference

BRANCH, TAG = "branch", "tag"
#: The largest delivery of a git host that is read where no setting says else; little is needed.
MOST_BYTES = 2 << 20
#: Words in the message of the newest commit of a push that let it pass without a deployment.
SKIP = re.compile(r"\[(skip deploy|deploy skip)\]", re.IGNORECASE)
_REFS = {"refs/heads/": BRANCH, "refs/tags/": TAG}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SCP = re.compile(r"(?:[^@/\s]+@)?(\[[^\]]+\]|[^:/\s]+):(.+)")
#: What Bitbucket Data Center puts before the path of a repository in its HTTP URLs.
_SCM = "scm/"


@dataclass(frozen=True)
class Push:
    """One branch or tag that was pushed.

    `repository` is its full name on the host, `urls` are where it can be cloned from; they are only
    compared, never used. `commit` is the full SHA it has now, empty where it was deleted. `message`
    is that of the newest commit. `paths` are the files that were changed, None where that is not
    known.
    """

    repository: str
    urls: tuple[str, ...]
    kind: str
    name: str
    commit: str
    message: str = ""
    paths: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as records keep it."""
        paths = None if self.paths is None else list(self.paths)
        return {**vars(self), "urls": list(self.urls), "paths": paths}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Push:
        """Return what `as_json` made a record of."""
        paths = kept["paths"]
        known = None if paths is None else tuple(paths)
        return cls(**{**kept, "urls": tuple(kept["urls"]), "paths": known})


@dataclass(frozen=True)
class DeployOn:
    """Which pushes deploy: of branches or tags that match a glob, if a path matches one of `paths`.

    In globs `*` stands for anything but a slash, `**` for anything. `repository` is the full name
    by which the git host calls it; empty means that git_repo says it.
    """

    branch: str | None = None
    tag: str | None = None
    paths: tuple[str, ...] = ()
    repository: str = ""

    def why_not(self, push: Push) -> str:
        """Return why a push does not deploy here; empty where it does.

        Where it is not known which files a push changed, it deploys.
        """
        wanted = self.branch if push.kind == BRANCH else self.tag
        if wanted is None or not matches(wanted, push.name):
            return f"no deploy_on names the {push.kind} {push.name}"
        if self.paths and push.paths is not None and not _any_of(self.paths, push.paths):
            return "no file was changed that deploy_on names"
        return ""

    def why(self, push: Push) -> str:
        """Return why a push that matches deploys here, in words for people."""
        unknown = bool(self.paths) and push.kind == BRANCH and push.paths is None
        because = "; which files it changed is not known" if unknown else ""
        return f"{push.kind} {push.name} was pushed{because}"


@dataclass(frozen=True)
class Listening:
    """A target that pushes deploy: `source` is the URL or path of its git_repo."""

    fraise: str
    environment: str
    source: str
    on: DeployOn

    def is_of(self, push: Push) -> bool:
        """Return whether a push is to this target's repository."""
        if self.on.repository:
            return self.on.repository.casefold() == push.repository.casefold()
        mine = place_of(self.source)
        if push.urls:
            return any(place_of(url) == mine for url in push.urls)
        path = mine.partition("/")[2].removeprefix(_SCM)
        return bool(path) and path == push.repository.casefold()


@dataclass(frozen=True)
class GitHost:
    """A git host that may send webhooks, and the secrets that it may sign them with.

    `secrets` are shared ones, the newest first; `keys` are of Standard Webhooks, which GitLab can
    use.
    """

    secrets: tuple[SecretReference, ...] = ()
    keys: tuple[SecretReference, ...] = ()


@dataclass(frozen=True)
class Received:
    """What one delivery said: its event, and the pushes that are in it. `pong`: it was a test."""

    event: str
    pushes: tuple[Push, ...] = ()
    pong: bool = False


def ref_of(ref: str) -> tuple[str, str]:
    """Return ("branch" or "tag", name) of a full ref; ("", ref) of another one."""
    for prefix, kind in _REFS.items():
        if ref.startswith(prefix) and len(ref) > len(prefix):
            return kind, ref.removeprefix(prefix)
    return "", ref


def place_of(url: str) -> str:
    """Return what is the same for all URLs of one repository: its host and path, in lower case.

    The scheme, user, port, `.git` and slashes at the end are not part of it. A local path is
    returned as it is.
    """
    scheme = _SCHEME.match(url)
    if scheme:
        host, _, path = url[scheme.end() :].partition("/")
        host = re.sub(r":\d*$", "", host.rpartition("@")[2])
    elif not url.startswith(("/", ".")) and (found := _SCP.fullmatch(url)):
        host, path = found[1], found[2]
    else:
        return url.rstrip("/")
    return f"{host}/{path.strip('/').removesuffix('.git')}".casefold()


def _any_of(globs: Iterable[str], paths: Iterable[str]) -> bool:
    return any(matches(glob, path) for path in paths for glob in globs)
