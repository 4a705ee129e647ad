# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Files that Git LFS keeps: no release has the pointers to them in their place."""

from __future__ import annotations

import shutil

from . import git_url
from .failure import Failure, disk_full
from .git_mirror import Mirror

_POINTER = "^version https://git-lfs.github.com/spec/"
_ALL = ("-c", "lfs.fetchinclude=", "-c", "lfs.fetchexclude=")
# Without a file that it cannot get, git archive fails instead of writing the pointer to it.
FILTER = (
    *_ALL, "-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true",
)  # fmt: skip


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
    """Bring the Git LFS files of a commit here; raises Failure."""
    remote = ("-c", f"remote.origin.url={mirror.access.repository}")
    finished = mirror.run(*_ALL, *remote, "lfs", "fetch", "origin", sha)
    if finished.code != 0:
        lines = git_url.show(finished.output).strip().splitlines() or ["git-lfs said nothing"]
        raise disk_full(finished.output) or Failure(
            "lfs_failed",
            f"the Git LFS files of commit {sha[:12]} could not be fetched: {lines[-1][:300]}",
            "see the log; check that they were pushed: git lfs push --all REMOTE",
            "\n".join(lines),
        )
