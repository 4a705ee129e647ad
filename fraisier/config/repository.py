"""Decides which repository a `git_repo` means, and refuses what git could take for more."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.fraisier.deploy.plugins.module_utils.git_url import (
    check_token_use,
    server,
)
from fraisier.domain.repository_urls import PUBLIC_HOSTS

SCHEMES = ("https", "http", "ssh")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HELPER = re.compile(r"[A-Za-z0-9]+::")
_SCP = re.compile(
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])"
    r":(?!/*-)[^:\s]+"
)
_SHORT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")


class BadRepository(ValueError):
    """A `git_repo` that cannot be used; the text says why and what to write."""


def repository(git_repo: str, git_provider: str | None, base: Path) -> str:
    """Return the URL or absolute path for a `git_repo`, or raise BadRepository.

    Relative paths (with `./` or `../`) start from `base`; `owner/name` needs a `git_provider`.
    """
    if not git_repo or not git_repo.isprintable():
        raise BadRepository("must be text without control characters")
    if git_repo.startswith("-"):
        raise BadRepository("must not start with '-': git would take it for an option")
    if _HELPER.match(git_repo):
        raise BadRepository(
            "names a helper of git (`…::`), which can run commands; use https or ssh"
        )
    scheme = _SCHEME.match(git_repo)
    if scheme:
        _check_url(git_repo, scheme[1].lower())
        return git_repo
    if git_repo.startswith(("/", "./", "../", "~/")) or git_repo in (".", ".."):
        return os.path.normpath(base / os.path.expanduser(git_repo))
    if _SCP.fullmatch(git_repo):
        return git_repo
    if _SHORT.fullmatch(git_repo):
        return _on_forge(git_repo, git_provider)
    raise BadRepository(
        "is no repository: write owner/name, a URL, git@host:path, or a path beginning with / or ./"
    )


def auth_problem(git_auth: Mapping[str, Any], found: str) -> str | None:
    """Say why `git_auth` cannot open a repository (a URL or path); None when it can."""
    given = [key for key in ("token", "ssh_key") if key in git_auth]
    if len(given) != 1:
        return "must have either a token or an ssh_key"
    if given == ["token"]:
        problem: str | None = check_token_use(found)
        return problem
    if "username" in git_auth:
        return "username goes with a token; the user for SSH is part of git_repo (git@host:path)"
    over = server(found)
    return None if over and over[0] == "ssh" else "ssh_key is for a git_repo over SSH"


def _check_url(url: str, scheme: str) -> None:
    if scheme == "file":
        raise BadRepository("write the path itself, without file://")
    if scheme not in SCHEMES:
        raise BadRepository(f"{scheme}:// is not supported; use https, ssh or a path")
    if re.search(r"\s", url):
        raise BadRepository("must not hold spaces")
    try:
        parts = urlsplit(url)
        host, user, password, _ = parts.hostname, parts.username, parts.password, parts.port
    except ValueError as error:
        raise BadRepository("is not a URL that can be read; check its host and port") from error
    if password is not None or (user is not None and scheme != "ssh"):
        raise BadRepository(
            "must not hold a user name or password, which would end up in logs and records; "
            "use git_auth"
        )
    if not host or host.startswith("-") or (user or "").startswith("-"):
        raise BadRepository("needs a host name that does not start with '-'")
    if not parts.path.strip("/"):
        raise BadRepository("names a host and no repository on it")


def _on_forge(name: str, git_provider: str | None) -> str:
    if git_provider is None:
        raise BadRepository(
            f"needs a git_provider ({', '.join(PUBLIC_HOSTS)}) beside it; or write a whole URL, "
            "or ./ before a path"
        )
    if git_provider not in PUBLIC_HOSTS:
        raise BadRepository(f"with git_provider {git_provider}, write the whole URL or a path")
    if name.count("/") > 1 and git_provider != "gitlab":
        raise BadRepository(f"on {git_provider} a repository is owner/name, with one slash")
    return f"https://{PUBLIC_HOSTS[git_provider]}/{name.removesuffix('.git')}.git"
