# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Submodules: which repositories and commits they are, and that git may be given those."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import git_url
from .commands import User
from .failure import Failure
from .git import git
from .git_access import Access
from .git_mirror import Mirror

_MODE = "160000"


@dataclass(frozen=True)
class Submodule:
    """A repository inside a commit: what .gitmodules calls it, its folder, its URL, its commit."""

    name: str
    path: str
    url: str
    commit: str


def submodules(mirror: Mirror, sha: str) -> list[Submodule]:
    """Return the submodules of a commit; raises Failure where one has no URL that can be used."""
    commits = {}
    for entry in mirror.read("ls-tree", "-r", "-z", "--full-tree", sha).split("\0"):
        mode, _tab, path = entry.partition("\t")
        if mode.startswith(_MODE):
            commits[path] = mode.split()[2]
    written = _written(mirror, sha) if commits else {}
    found = []
    for path, commit in commits.items():
        name, url = written.get(path, (path, ""))
        url = submodule_url(mirror.access.repository, path, url)
        found.append(Submodule(name, path, url, commit))
    return found


def _written(mirror: Mirror, sha: str) -> dict[str, tuple[str, str]]:
    """Return what .gitmodules says: names and URLs by path."""
    names = ("--get-regexp", r"^submodule\..*\.(path|url)$")
    said = mirror.read("config", "--blob", f"{sha}:.gitmodules", "-z", *names)
    values: dict[str, dict[str, str]] = {"path": {}, "url": {}}
    for entry in said.split("\0"):
        key, _newline, value = entry.partition("\n")
        name, _dot, kind = key.rpartition(".")
        if kind in values:
            values[kind][name.partition(".")[2]] = value
    return {path: (name, values["url"].get(name, "")) for name, path in values["path"].items()}


def submodule_url(parent: str, path: str, url: str) -> str:
    """Return the repository of a submodule, relative ones from its parent's; raises Failure."""
    if url.startswith(("./", "../")):
        url = _relative(parent, url) or url
    problem = "has no url in .gitmodules" if not url else git_url.check_repository(url)
    if not problem and git_url.is_path(url) and not git_url.is_path(parent):
        problem = "must not be a path: the repository it belongs to is none"
    if problem:
        raise Failure(
            "submodule_invalid",
            f"submodule {path} ({git_url.show(url)}) {problem}",
            "correct its url in .gitmodules, and deploy the commit that does",
        )
    return url


def _relative(parent: str, url: str) -> str | None:
    """Return a relative URL from its parent's; None where it leads out of the server."""
    after = parent.find("://") + 3 if "://" in parent else 0
    colon = not after and not git_url.is_path(parent)
    start = parent.find(":" if colon else "/", after) + 1
    parts = [part for part in parent[start:].split("/") if part]
    for part in url.split("/"):
        if part == ".." and not parts:
            return None
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parent[:start] + "/".join(parts) if start else None


def update_checkout(access: Access, checkout: str, owner: User) -> None:
    """Bring the submodules of a checkout to what its commit says, as its owner; raises Failure."""
    waiting = [Mirror(checkout, access, owner)]
    while waiting:
        here = waiting.pop()
        for module in submodules(here, "HEAD"):
            url = ("-c", f"submodule.{module.name}.url={module.url}")
            update = ("submodule", "update", "--quiet", "--init", "--force", "--", module.path)
            folder = os.path.join(here.path, module.path)
            below = Mirror(folder, here.access.to(module.url), owner)
            below.must(git(*url, *update, access=below.access, cwd=here.path, user=owner))
            waiting.append(below)
