# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Talking to git, and to repositories: which commit a version is, and why one cannot be read."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from functools import lru_cache
from typing import Mapping, Sequence

from . import git_url
from .commands import SYSTEM_PATH, Finished, User, run
from .failure import Failure
from .git_access import Access
from .redaction import shorten

TIMEOUT = 300.0
_PASSED_ON = (
    "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "no_proxy", "GIT_SSL_CAINFO", "TMPDIR",
    "FRAISIER_RUN",  # by which a run of the control plane finds what it has started
)  # fmt: skip
#: No program that a repository's own settings name runs beside git, and no submodule unasked.
OPTIONS = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=", "-c", "submodule.recurse=false",
    "-c", "gc.autoDetach=false",
)  # fmt: skip
_BY_ENVIRONMENT = (2, 31)  # the first git that reads GIT_CONFIG_COUNT


def environment(access: Access, user: User | None = None) -> dict[str, str]:
    """Return the environment git gets: no questions and only the protocols allowed.

    As another `user` it has that account's home.
    """
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **passed,
        "PATH": os.environ.get("PATH", SYSTEM_PATH),
        "HOME": user.home if user is not None else os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": git_url.protocols(access.repository),
    }


def git(
    *arguments: str,
    access: Access,
    cwd: str | None = None,
    user: User | None = None,
    timeout: float = TIMEOUT,
    settings: Mapping[str, str] | None = None,
) -> Finished:
    """Run git, as `user` where one is named, with all that opens the repository of `access`.

    `settings` is configuration by key. Keys may hold what a repository says: no part of one can
    become another key.
    """
    access.require_usable()
    options, variables = _configure(settings or {})
    argv = ["git", *OPTIONS, *access.options(), *options, *arguments]
    with access.key_opened(user) as key:
        env = {**environment(access, user), **access.environment(key), **variables}
        inherited = () if key is None else (key,)
        return run(argv, env=env, cwd=cwd, user=user, timeout=timeout, pass_fds=inherited)


def _configure(settings: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the options and the variables that give git these settings."""
    if settings and _version() < _BY_ENVIRONMENT:
        if "=" in "".join(settings):
            raise ValueError(f"git would end one of these keys at its '=': {list(settings)}")
        return [word for item in settings.items() for word in ("-c", "=".join(item))], {}
    variables = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for number, (key, value) in enumerate(settings.items()):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return [], variables


@lru_cache(maxsize=None)
def _version() -> tuple[int, int]:
    """Return the version of git here; (0, 0) where it does not tell."""
    path = {"PATH": os.environ.get("PATH", SYSTEM_PATH)}
    found = re.search(r"(\d+)\.(\d+)", run(["git", "--version"], env=path, timeout=10).output)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def resolve(access: Access, version: str, timeout: float = 60.0) -> str:
    """Return the full SHA that a version names in a repository: asked of the repository itself.

    A full SHA is returned as it is. Raises Failure.
    """
    access.require_usable()
    git_url.require_version(version)
    if git_url.SHA.match(version):
        return version
    names = [version] if version.startswith("refs/") else [f"refs/{n}/{version}" for n in KINDS]
    wanted = [name for ref in names for name in (ref, f"{ref}^{{}}")]
    asked = ("ls-remote", "--", access.repository, *wanted)
    finished = git(*asked, access=access, timeout=timeout)
    if finished.code != 0:
        raise unreachable(access.repository, finished)
    refs = parse_ls_remote(finished.output)  # git matches the end of a ref, too
    found = {ref: sha for ref, sha in refs.items() if ref in names}
    if not found:
        raise not_found(version, access.repository, _branches(access, timeout))
    return pick(version, found, access.repository)


KINDS = ("heads", "tags")
SHOWN = 10  # branches that an error names


def _branches(access: Access, timeout: float) -> list[str]:
    """Return the branches of a repository; none where it does not tell."""
    asked = ("ls-remote", "--heads", "--", access.repository)
    finished = git(*asked, access=access, timeout=timeout)
    refs = parse_ls_remote(finished.output) if finished.code == 0 else {}
    return [ref[len("refs/heads/") :] for ref in refs if ref.startswith("refs/heads/")]


def parse_ls_remote(text: str) -> dict[str, str]:
    """Return commit SHAs by ref; an annotated tag gives the commit it points at."""
    found: dict[str, str] = {}
    for line in text.split("\n"):  # a name may hold what else ends a line, such as U+2028
        sha, _tab, ref = line.partition("\t")
        if git_url.SHA.match(sha) and ref:
            found[ref] = sha
    for ref in [ref for ref in found if ref.endswith("^{}")]:
        found[ref[:-3]] = found.pop(ref)
    return found


def pick(version: str, refs: Mapping[str, str], repository: str) -> str:
    """Return the one commit that the refs found for a version name; raises Failure."""
    shas = set(refs.values())
    if len(shas) == 1:
        return shas.pop()
    if shas:
        raise Failure(
            "version_ambiguous",
            f"{version!r} is both a branch and a tag in {git_url.show(repository)}",
            f"write refs/heads/{version} or refs/tags/{version}",
        )
    raise not_found(version, repository)


def not_found(version: str, repository: str, branches: Sequence[str] = ()) -> Failure:
    """Return the failure for a version that the repository does not have.

    `branches` are those that it has, as far as that is known.
    """
    close = get_close_matches(version, branches, SHOWN)
    shown = list(dict.fromkeys([*close, *branches]))[:SHOWN]
    more = f" and {len(branches) - len(shown)} more" if len(branches) > len(shown) else ""
    known = f"; its branches: {', '.join(shown)}{more}" if shown else ""
    return Failure(
        "version_not_found",
        f"{git_url.show(repository)} has no version {version!r}{known}",
        "name a branch, a tag or a full commit SHA that has been pushed",
    )


_DENIED = re.compile(
    r"Authentication failed|could not read (Username|Password)|Permission denied \(|error: 40[13]\b"
)
#: What git or ssh says, and what then helps.
_HINTS = (
    (
        "dubious ownership",
        "allow the folder: git config --system --add safe.directory <path>",
    ),
    (
        "Host key verification failed",
        "compare the fingerprint of the git server's key, then add it to the known_hosts of the "
        "account that runs git there, or to /etc/ssh/ssh_known_hosts: ssh-keyscan SERVER",
    ),
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the git server's key is not the one in known_hosts: find out why before replacing it",
    ),
)


def unreachable(repository: str, finished: Finished) -> Failure:
    """Return the failure for a repository that git could not read."""
    output = git_url.show(finished.output).strip()
    lines = output.splitlines() or ["git said nothing"]
    fatal = [line for line in lines if line.startswith("fatal: ")]
    why = "it did not answer in time" if finished.timed_out else (fatal or lines[-1:])[0]
    code = "repository_unreachable"
    hint = "check git_repo, and that this machine may read it (its key or token, its network)"
    denied = _DENIED.search(output)
    if denied:
        why, code = _line_of(output, denied.start()), "repository_denied"
        hint = (
            "give git_auth a token or a deploy key that may read it; credentials are shown to the "
            "server of git_repo only"
        )
    for sign, helpful in _HINTS:
        if sign in output:
            why, hint = _line_of(output, output.index(sign)), helpful
    shown = git_url.show(repository)
    return Failure(code, f"cannot read {shown}: {shorten(why, 300)}", hint, output)


def _line_of(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[text.rfind("\n", 0, position) + 1 : end if end >= 0 else None].strip(" @\r")
