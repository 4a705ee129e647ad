# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Talking to git: the bare mirror on the host, and which commit a version is."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Mapping

from . import git_url
from .commands import SYSTEM_PATH, Finished, User, collect, end_group, run, spawn
from .failure import Failure, disk_full

TIMEOUT = 300.0
_PASSED_ON = ("SSH_AUTH_SOCK", "http_proxy", "https_proxy", "no_proxy", "GIT_SSL_CAINFO", "TMPDIR")
_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "gc.autoDetach=false")
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def environment(repository: str) -> dict[str, str]:
    """Return the environment git gets: no questions, no helpers, only the protocols allowed."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **passed,
        "PATH": os.environ.get("PATH", SYSTEM_PATH),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": git_url.protocols(repository),
        "GIT_SSH_COMMAND": _SSH,
    }


def git(
    *arguments: str, repository: str, cwd: str | None = None, timeout: float = TIMEOUT
) -> Finished:
    """Run git. `repository` decides the protocols it may use."""
    argv = ["git", *_OPTIONS, *arguments]
    return run(argv, env=environment(repository), cwd=cwd, timeout=timeout)


def resolve(repository: str, version: str, timeout: float = 60.0) -> str:
    """Return the full SHA that a version names in a repository: asked of the repository itself.

    A full SHA is returned as it is. Raises Failure.
    """
    git_url.require_repository(repository)
    git_url.require_version(version)
    if git_url.SHA.match(version):
        return version
    names = [version] if version.startswith("refs/") else [f"refs/{n}/{version}" for n in KINDS]
    wanted = [name for ref in names for name in (ref, f"{ref}^{{}}")]
    finished = git("ls-remote", "--", repository, *wanted, repository=repository, timeout=timeout)
    if finished.code != 0:
        raise unreachable(repository, finished)
    return pick(version, parse_ls_remote(finished.output), repository)


KINDS = ("heads", "tags")


def parse_ls_remote(text: str) -> dict[str, str]:
    """Return commit SHAs by ref; an annotated tag gives the commit it points at."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        sha, _, ref = line.partition("\t")
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


def not_found(version: str, repository: str) -> Failure:
    """Return the failure for a version that the repository does not have."""
    return Failure(
        "version_not_found",
        f"{git_url.show(repository)} has no version {version!r}",
        "name a branch, a tag or a full 40-character commit SHA that has been pushed",
    )


def unreachable(repository: str, finished: Finished) -> Failure:
    """Return the failure for a repository that git could not read."""
    output = git_url.show(finished.output).strip()
    lines = output.splitlines() or ["git said nothing"]
    fatal = [line for line in lines if line.startswith("fatal: ")]
    why = "it did not answer in time" if finished.timed_out else (fatal or lines[-1:])[0]
    hint = "check git_repo, and that this machine may read it (its key or token, its network)"
    if "dubious ownership" in output:
        hint = "allow the folder: git config --system --add safe.directory <path>"
    shown = git_url.show(repository)
    return Failure("repository_unreachable", f"cannot read {shown}: {why[:300]}", hint, output)


@dataclass(frozen=True)
class Mirror:
    """A bare mirror of `repository` in the folder `path`."""

    path: str
    repository: str

    def has(self, sha: str) -> bool:
        """True when the commit is here already."""
        return self._here("cat-file", "-e", f"{sha}^{{commit}}").code == 0

    def fetch(self, sha: str) -> bool:
        """Make sure the commit is here; True when anything was fetched. Raises Failure."""
        git_url.require_repository(self.repository)
        if not os.path.isdir(self.path):
            os.mkdir(self.path, 0o700)
        if not os.path.exists(os.path.join(self.path, "HEAD")):
            self._must(git("init", "--quiet", "--bare", self.path, repository=self.repository))
        if self.has(sha):
            return False
        self._must(self._fetch("--prune", "--force", refs=_REFS))
        if not self.has(sha):
            self._fetch(refs=(sha,))
        if not self.has(sha):
            raise not_found(sha, self.repository)
        return True

    def check_supported(self, sha: str) -> None:
        """Raise Failure for a commit that a plain archive would not carry whole."""
        if self._here("cat-file", "-e", f"{sha}:.gitmodules").code == 0:
            raise Failure(
                "submodules_unsupported",
                f"commit {sha[:12]} has git submodules, which are not deployed",
                "vendor them, or let a build command fetch what they hold",
            )
        attributes = ":(glob)**/.gitattributes"
        if self._here("grep", "-q", "-E", "filter=lfs", sha, "--", attributes).code == 0:
            raise Failure(
                "lfs_unsupported",
                f"commit {sha[:12]} keeps files in Git LFS, which are not deployed",
                "store them in git, or let a build command fetch them",
            )

    def extract(self, sha: str, folder: str, user: User) -> None:
        """Unpack a commit into a folder, as `user`."""
        env = environment(self.repository)
        archive = spawn(
            ["git", *_OPTIONS, "archive", "--format=tar", sha],
            env=env, cwd=self.path, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            tar = spawn(
                ["tar", "-x", "-f", "-"],
                env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}, cwd=folder, user=user,
                stdin=archive.stdout.fileno(),  # type: ignore[union-attr]
            )  # fmt: skip
            try:
                unpacked = collect(tar, TIMEOUT)
            finally:
                end_group(tar)
            if unpacked.code == 0 and archive.wait(timeout=10) == 0:
                return
        finally:
            end_group(archive)
        raise disk_full(unpacked.output) or Failure(
            "extract_failed",
            f"commit {sha[:12]} could not be unpacked",
            "see the log; the old release still serves",
            unpacked.output,
        )

    def _here(self, *arguments: str) -> Finished:
        return git(*arguments, repository=self.repository, cwd=self.path)

    def _fetch(self, *options: str, refs: tuple[str, ...]) -> Finished:
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", *options)
        return self._here("fetch", *quiet, "--", self.repository, *refs)

    def _must(self, finished: Finished) -> None:
        if finished.code != 0:
            raise disk_full(finished.output) or unreachable(self.repository, finished)
