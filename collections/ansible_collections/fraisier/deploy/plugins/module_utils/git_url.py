# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Which repositories and versions git may be asked for, and how they may be shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .failure import Failure

#: A commit's id, in a repository with SHA-1 or with SHA-256.
SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
LONGEST_VERSION = 255
#: What git-check-ref-format allows nowhere in the name of a branch or tag.
_NOT_IN_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{")
_SCHEMES = ("https://", "http://", "ssh://")
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9._-]*:[^-:\s][^:\s]*\Z")
# Neither '?', '#' nor '\\' may hide in it: git, curl and Python would see different servers there.
_AUTHORITY = re.compile(
    r"(?:[^-/?#\\\s][^/?#\\\s]*@|@)?(?:[A-Za-z0-9][\w.-]*|\[[\w:.%]+\])(?::\d*)?\Z"
)
_PORTS = {"https": 443, "http": 80, "ssh": 22}
_THIS_MACHINE = re.compile(r"localhost|127(?:\.\d+){3}|::1")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def check_repository(repository: str) -> str | None:
    """Say why git must not be given this repository; None when it may."""
    if not repository or repository.startswith("-") or not repository.isprintable():
        return "must be a URL or an absolute path, not empty, not starting with '-'"
    if is_path(repository):
        return "must not contain '..'" if ".." in repository.split("/") else None
    if "::" in repository:
        return "must not name a transport helper ('::')"
    if repository.startswith(_SCHEMES):
        authority = repository.split("://", 1)[1].split("/", 1)[0]
        return _check_port(repository) if _AUTHORITY.match(authority) else "must name a host"
    if "://" in repository:
        return "must be an https, http or ssh URL, or a path written without file://"
    return None if _SCP_LIKE.match(repository) else "must be an https, http or ssh URL, or a path"


def _check_port(url: str) -> str | None:
    try:
        urlsplit(url).port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return "must have a host and a port that can be read"
    return None


def check_version(version: str) -> str | None:
    """Say why this cannot be the name of a commit, branch or tag; None when it can.

    The rules are those of git-check-ref-format.
    """
    bad = (
        len(version) > LONGEST_VERSION,
        version == "@",
        version.startswith("-"),
        version.endswith("."),
        bool(_NOT_IN_A_REF.search(version)),
        any(
            not part or part.startswith(".") or part.endswith(".lock")
            for part in version.split("/")
        ),
    )
    if any(bad):
        return "must be a full commit SHA, a branch or a tag, such as main or v1.2.0"
    return None


def require_repository(repository: str) -> None:
    """Raise Failure `repository_invalid` unless git may be given this repository."""
    problem = check_repository(repository)
    if problem:
        raise Failure(
            "repository_invalid", f"repository {show(repository)!r} {problem}", "correct git_repo"
        )


def require_version(version: str) -> None:
    """Raise Failure `version_invalid` unless this can name a version."""
    problem = check_version(version)
    if problem:
        raise Failure("version_invalid", f"version {version!r} {problem}", "name another version")


def is_path(repository: str) -> bool:
    """True when the repository is a folder of the machine git runs on."""
    return repository.startswith("/")


def protocols(repository: str) -> str:
    """Return what GIT_ALLOW_PROTOCOL is to say for this repository."""
    return "file" if is_path(repository) else "https:http:ssh"


def server(repository: str) -> tuple[str, str, int] | None:
    """Return the scheme, host and port that a valid repository is asked at; None for a path."""
    if is_path(repository):
        return None
    if "://" not in repository:
        return "ssh", repository.partition(":")[0].rpartition("@")[2].lower(), _PORTS["ssh"]
    parts = urlsplit(repository)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


def origin(repository: str) -> str:
    """Return the scheme, host and port of an http(s) URL as git writes them."""
    scheme, _slashes, rest = repository.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"


def check_token_use(repository: str) -> str | None:
    """Say why a token must not be sent to this repository's server; None when it may."""
    scheme, host, _port = server(repository) or ("", "", 0)
    if scheme == "https" or (scheme == "http" and _THIS_MACHINE.fullmatch(host)):
        return None
    if scheme == "http":
        return "token would travel unencrypted over http: use https"
    return "token is for a repository over https"


def show(text: str) -> str:
    """Return text with the credentials of every URL in it left out."""
    return _CREDENTIALS.sub("", text)
