# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Files that Git LFS keeps: no release has the pointers to them in their place."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Iterator

from . import git_url
from .failure import Failure, disk_full
from .git_mirror import Mirror

_POINTER = "^version https://git-lfs.github.com/spec/"
# None of these settings of a repository may leave a pointer in a release.
_ALL = (
    "-c", "lfs.fetchinclude=", "-c", "lfs.fetchexclude=", "-c", "lfs.skipdownloaderrors=false",
)  # fmt: skip
# Without a file that it cannot get, git archive fails instead of writing the pointer to it.
FILTER = (
    *_ALL, "-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true",
)  # fmt: skip
# Pointers stay as they are: git-lfs is not run, so that it asks no server meanwhile.
POINTERS = (
    "-c", "filter.lfs.process=", "-c", "filter.lfs.smudge=", "-c", "filter.lfs.required=false",
)  # fmt: skip
_CONFIG = ".lfsconfig"


def used(mirror: Mirror, sha: str) -> bool:
    """True for a commit that keeps files in Git LFS; raises Failure where none can be fetched."""
    attributes = ":(glob)**/.gitattributes"
    if mirror.run("grep", "-q", "-E", "filter=lfs", sha, "--", attributes).code != 0:
        return False
    said = mirror.read("grep", "-l", "-z", "-e", _POINTER, sha)
    files = [name.partition(":")[2] for name in said.split("\0") if name]
    if files and shutil.which("git-lfs") is None:
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        raise Failure(
            "lfs_missing",
            f"commit {sha[:12]} keeps {', '.join(files[:3])}{more} in Git LFS, and git-lfs is not "
            "installed where it is unpacked",
            "install git-lfs on the host (source: fetch) or where Fraisier runs (source: push)",
        )
    return bool(files)


def fetch(mirror: Mirror, sha: str) -> None:
    """Bring the Git LFS files of a commit here; raises Failure.

    A server that .lfsconfig names gets the credentials where it is the repository's own.
    """
    access = mirror.access
    for url in _servers(mirror, sha):
        _require_server(mirror.access.repository, sha, url)
        kept = mirror.access.to(url)
        access = replace(
            access, token=kept.token and access.token, ssh_key=kept.ssh_key and access.ssh_key
        )
    remote = ("-c", f"remote.origin.url={access.repository}")
    finished = replace(mirror, access=access).run(*_ALL, *remote, "lfs", "fetch", "origin", sha)
    if finished.code != 0:
        lines = git_url.show(finished.output).strip().splitlines() or ["git-lfs said nothing"]
        raise disk_full(finished.output) or Failure(
            "lfs_failed",
            f"the Git LFS files of commit {sha[:12]} could not be fetched: {lines[-1][:300]}",
            "see the log; check that they were pushed: git lfs push --all REMOTE",
            "\n".join(lines),
        )


def fill_in(mirror: Mirror, sha: str) -> None:
    """Put the Git LFS files of a commit, which is checked out, in the place of their pointers."""
    if shutil.which("git-lfs") and used(mirror, sha):
        fetch(mirror, sha)
        mirror.must(mirror.run(*FILTER, "lfs", "checkout"))


def _servers(mirror: Mirror, sha: str) -> Iterator[str]:
    """Yield the servers that git-lfs may read in .lfsconfig: the commit's, or what is here now.

    It reads lines, in which a value that has several could hide a key; hence so does this.
    """
    blobs = [("--blob", f"{commit}:{_CONFIG}") for commit in (sha, "HEAD", "")]
    for source in (*blobs, ("--file", _CONFIG)):
        for line in mirror.read("config", "--list", *source).split("\n"):
            key, equals, url = line.partition("=")
            if equals and key in ("lfs.url", "remote.origin.lfsurl"):
                yield url


def _require_server(repository: str, sha: str, url: str) -> None:
    """Raise Failure unless git-lfs may be given this URL, which a repository names."""
    path = git_url.is_path(repository)
    where = url[len("file://") :] if path and url.startswith("file:///") else url
    problem = git_url.check_repository(where)
    if not problem and git_url.is_path(where) and not path:
        problem = "must not be a path: the repository it belongs to is none"
    if problem:
        raise Failure(
            "lfs_invalid",
            f"the Git LFS server {git_url.show(url)!r} in {_CONFIG} {problem} (commit {sha[:12]})",
            f"correct its url in {_CONFIG}, and deploy the commit that does",
        )
