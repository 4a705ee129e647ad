# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The whole of a commit: its own files, those of its submodules, and what Git LFS keeps of both."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from typing import IO, Iterator

from . import git_lfs
from .commands import SYSTEM_PATH, Finished, User, collect, end_group, spawn
from .failure import Failure, disk_full
from .git import OPTIONS, TIMEOUT, environment
from .git_mirror import Mirror
from .git_submodules import submodules
from .redaction import cut_ends

_SAID = 16 * 1024  # bytes
MOST_PARTS = 200
_MODULES = "modules"


@dataclass(frozen=True)
class Part:
    """A commit in its mirror, and the folder of the release that its files belong in.

    `lfs`: some of them are kept by Git LFS. `fetched`: it was not here before.
    """

    mirror: Mirror
    sha: str
    folder: str
    lfs: bool
    fetched: bool


def fetch(mirror: Mirror, sha: str) -> list[Part]:
    """Bring a commit, its submodules and their Git LFS files here. Raises Failure."""
    return list(_fetch_all(mirror, sha))


def _fetch_all(mirror: Mirror, sha: str) -> Iterator[Part]:
    waiting, found = [(mirror, sha, "")], 0
    while waiting:
        found += 1
        if found > MOST_PARTS:
            raise Failure(
                "submodule_invalid",
                f"commit {sha[:12]} has more than {MOST_PARTS} submodules",
                "vendor some of them",
            )
        part = _fetch_part(*waiting.pop(0))
        yield part
        for module in submodules(part.mirror, part.sha):
            access = part.mirror.access.to(module.url)
            below = replace(mirror, path=_module(mirror.path, module.url), access=access)
            waiting.append((below, module.commit, os.path.join(part.folder, module.path)))


def module_mirrors(mirror: str, other: str) -> list[tuple[str, str]]:
    """Return the mirrors of submodules in a mirror's folder, each with its place in another's."""
    folder, beside = (os.path.join(each, _MODULES) for each in (mirror, other))
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [(os.path.join(folder, name), os.path.join(beside, name)) for name in names]


def _module(mirror: str, url: str) -> str:
    """Return the folder for the mirror of a submodule, where git itself keeps them."""
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    return os.path.join(mirror, _MODULES, name)


def _fetch_part(mirror: Mirror, sha: str, folder: str) -> Part:
    try:
        fetched = mirror.fetch(sha)
        lfs = git_lfs.used(mirror, sha)
        if lfs:
            mirror.detach(sha)
            git_lfs.fetch(mirror, sha)
        return Part(mirror, sha, folder, lfs, fetched)
    except Failure as failure:
        where = f"submodule {folder}: " if folder else ""
        said = f"{where}{failure.message}"
        raise Failure(failure.code, said, failure.hint, failure.text) from None


def unpack(parts: list[Part], folder: str, user: User) -> None:
    """Unpack a commit into a folder, as `user`; raises Failure."""
    for part in parts:
        with tempfile.TemporaryFile() as errors:
            archive = _start_archive(part, "tar", subprocess.PIPE, errors)
            try:
                unpacked = _untar(archive.stdout, ("-x",), folder, user)
                if unpacked.code != 0 or archive.wait(timeout=10) != 0:
                    raise unpack_failure(part.sha, unpacked.output + _said(errors))
            finally:
                end_group(archive)


def write(parts: list[Part], file: IO[bytes]) -> None:
    """Write a commit to a file, as archives one after another; raises Failure."""
    for part in parts:
        with tempfile.TemporaryFile() as errors:
            archive = _start_archive(part, "tgz", file.fileno(), errors)
            try:
                if archive.wait(timeout=TIMEOUT) != 0:
                    raise unpack_failure(part.sha, _said(errors))
            except subprocess.TimeoutExpired:
                raise unpack_failure(part.sha, f"it took longer than {TIMEOUT:g} s") from None
            finally:
                end_group(archive)


def unpack_file(path: str, version: str, folder: str, user: User) -> None:
    """Unpack what `write` wrote into a folder, as `user`; raises Failure."""
    with open(path, "rb") as file:
        unpacked = _untar(file, ("-x", "-z", "-i"), folder, user)
    if unpacked.code != 0:
        raise unpack_failure(version, unpacked.output)


def unpack_failure(sha: str, output: str) -> Failure:
    """Return the failure of a commit that could not be unpacked."""
    return disk_full(output) or Failure(
        "extract_failed",
        f"commit {sha[:12]} could not be unpacked",
        "see the log",
        output,
    )


def _start_archive(
    part: Part, form: str, stdout: int, errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    lfs = git_lfs.FILTER if part.lfs else ()
    prefix = (f"--prefix={part.folder}/",) if part.folder else ()
    modes = ("-c", "tar.umask=0022")  # whatever the machine's own settings say
    return spawn(
        ["git", *OPTIONS, *modes, *lfs, "archive", f"--format={form}", *prefix, part.sha],
        env=environment(part.mirror.access), cwd=part.mirror.path,
        stdout=stdout, stderr=errors.fileno(),
    )  # fmt: skip


def _untar(source: IO[bytes] | None, options: tuple[str, ...], folder: str, user: User) -> Finished:
    tar = spawn(
        ["tar", *options, "-f", "-"],
        env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}, cwd=folder, user=user,
        stdin=source.fileno() if source else None,
    )  # fmt: skip
    try:
        return collect(tar, TIMEOUT)
    finally:
        end_group(tar)


def _said(errors: IO[bytes]) -> str:
    errors.seek(0)
    said = errors.read(_SAID + 1)
    said = said if len(said) <= _SAID else cut_ends(said[:_SAID], b"")[0]
    return said.decode("utf-8", "replace")
