# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Submodules: which repositories and commits they are, and that git may be given those."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Mapping

from . import git_lfs, git_url
from .commands import Finished, User
from .failure import Failure
from .git_access import Access
from .git_mirror import Mirror

_MODE = "160000"
_FILE = ".gitmodules"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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
    said = _said(mirror, "--blob", f"{sha}:{_FILE}") if commits else {}
    found = []
    for path, commit in commits.items():
        name, url = _section(said, path)
        url = submodule_url(mirror.access.repository, path, url)
        found.append(Submodule(name, path, url, commit))
    return found


def _said(mirror: Mirror, *source: str) -> dict[str, dict[str, set[str]]]:
    """Return what a .gitmodules says: all values of `path` and `url` by the name of the section."""
    names = ("--get-regexp", r"^submodule\..*\.(path|url)$")
    found: dict[str, dict[str, set[str]]] = {}
    for entry in mirror.read("config", *source, "-z", *names).split("\0"):
        key, _newline, value = entry.partition("\n")
        name, _dot, kind = key.partition(".")[2].rpartition(".")
        if kind:
            found.setdefault(name, {}).setdefault(kind, set()).add(value)
    return found


def _section(said: Mapping[str, Mapping[str, set[str]]], path: str) -> tuple[str, str]:
    """Return the name and the URL of the submodule at a path; raises Failure.

    Git and this must never take different sections for it: what is ambiguous is refused.
    """
    names = [name for name, values in said.items() if path in values.get("path", ())]
    name = names[0] if names else path
    urls = said[name].get("url", set()) if names else set()
    if len(names) > 1 or len(urls) > 1 or (names and len(said[name]["path"]) > 1):
        raise _refusal(path, f"has several sections in {_FILE}, which contradict each other")
    if _CONTROL.search(path) or {"", ".", "..", ".git"} & set(path.lower().split("/")):
        raise _refusal(path, "has a path that git must not be given")
    if "=" in name or ".." in name or _CONTROL.search(name):
        raise _refusal(path, f"has the name {name!r}: '=', '..' and line breaks must not be in it")
    return name, urls.pop() if urls else ""


def _refusal(path: str, problem: str) -> Failure:
    hint = f"correct {_FILE}, and deploy the commit that does"
    return Failure("submodule_invalid", f"submodule {path!r} {problem}", hint)


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
            f"correct its url in {_FILE}, and deploy the commit that does",
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
        found = submodules(here, "HEAD")
        if found:
            _require_same_file(here, found[0].path)
        waiting += [_update(here, module, owner) for module in found]


def _require_same_file(here: Mirror, path: str) -> None:
    """Raise Failure where git would read something else than what was checked in the commit.

    An attribute can have a file converted, and a file can be a link.
    """
    file = os.path.join(here.path, _FILE)
    if os.path.lexists(file) and _said(here, "--blob", f"HEAD:{_FILE}") != _said(
        here, "--file", _FILE
    ):
        raise _refusal(path, f"is in {file} not as in the commit's {_FILE}")


def _update(here: Mirror, module: Submodule, owner: User) -> Mirror:
    """Check out one submodule, and return its repository; raises Failure.

    What a repository says of how git is to do it does not count, nor does the URL that an earlier
    commit gave.
    """
    folder = os.path.join(here.path, module.path)
    below = Mirror(folder, here.access.to(module.url), owner)
    url = {f"submodule.{module.name}.url": module.url}
    how = ("--quiet", "--init", "--force", "--checkout", "--no-fetch", "--", module.path)

    def update() -> Finished:
        at = replace(below, path=here.path)
        plain = ("--literal-pathspecs", *git_lfs.POINTERS)  # a path is no pattern
        return at.run(*plain, "submodule", "update", *how, settings=url)

    finished = update()
    cloned = os.path.lexists(os.path.join(folder, ".git"))
    if finished.code != 0 and cloned and below.bring(module.commit):
        finished = update()
    below.must(finished)
    if not cloned:
        raise _refusal(module.path, "was left empty by git")
    git_lfs.fill_in(below, module.commit)
    return below
