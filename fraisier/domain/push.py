"""Pushes to git repositories as their hosts tell of them, and which of them deploy what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fraisier.domain.globs import matches
from fraisier.domain.repository_urls import (
    PUBLIC_HOSTS,
    SCM,
    RepositoryUrl,
    contradiction,
    one_of,
    place_of,
)
from fraisier.domain.secret import SecretReference

__all__ = ["DeployOn", "GitHost", "Listening", "Push", "Received", "place_of", "ref_of"]

BRANCH, TAG = "branch", "tag"
#: The largest delivery of a git host that is read where no setting says else; little is needed.
MOST_BYTES = 2 << 20
#: Words in the message of the newest commit of a push that let it pass without a deployment.
SKIP = re.compile(r"\[(skip deploy|deploy skip)\]", re.IGNORECASE)
_REFS = {"refs/heads/": BRANCH, "refs/tags/": TAG}


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

    @property
    def contradiction(self) -> str:
        """Return why its name and URLs are not of one repository; empty where they are."""
        return contradiction(self.repository, self.urls)

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
    by which the git host calls it, or its URL there; empty means that git_repo says it.
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
    """A target that pushes deploy: `source` is the URL or path of its git_repo.

    `provider` is the git host whose deliveries reach it, empty where it is not known which.
    `named`: the configuration names that host; else it follows from `source`, or no other is
    configured.
    """

    fraise: str
    environment: str
    source: str
    on: DeployOn
    provider: str = ""
    named: bool = False

    def is_of(self, push: Push) -> bool:
        """Return whether a push is to this target's repository."""
        if self.on.repository:
            return self._is_called(push)
        if push.urls:
            return one_of(self.source, push.urls)
        mine = RepositoryUrl.parse(self.source)
        path = mine.path.removeprefix(SCM)
        return bool(mine.host and path) and path == push.repository.casefold()

    def why_not_from(self, provider: str, push: Push) -> str:
        """Return why a push to its repository does not reach it from a git host; empty if it does.

        The secret of one git host must not deploy what another one keeps.
        """
        if not self.provider:
            return "several git hosts are configured, and deploy_on names no provider"
        if provider != self.provider:
            return f"pushes of {self.provider} deploy it, not those of {provider}"
        if push.urls or self.on.repository:
            return ""
        if not self.named:
            return "the push has no URL, and deploy_on names no provider"
        public = RepositoryUrl.parse(self.source).host in PUBLIC_HOSTS.values()
        return "the push has no URL, which its git host always sends" if public else ""

    def _is_called(self, push: Push) -> bool:
        """Return whether a push is to the repository that `deploy_on` names, by URL or by name."""
        wanted = self.on.repository
        if "://" in wanted:
            return one_of(wanted, push.urls)
        return wanted.casefold() == push.repository.casefold()


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


def _any_of(globs: Iterable[str], paths: Iterable[str]) -> bool:
    return any(matches(glob, path) for path in paths for glob in globs)
