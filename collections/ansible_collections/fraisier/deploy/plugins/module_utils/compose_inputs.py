# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Inputs of containers that Compose leaves out of a service's configuration hash.

The content of configs, secrets and mounted files: Compose does not recreate a container where it
has changed (docker/compose, pkg/compose/hash.go). A label with a digest of it makes Compose do so.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import os
import shutil
from contextlib import suppress
from typing import Any, Iterator, Mapping

#: The label, part of the configuration hash: a container with another one is recreated.
LABEL = "fraisier.files"
#: Larger files are compared by size and time where they are this machine's own.
READ_BYTES = 16 * 1024 * 1024
#: Of the mounted files of a release, so much is kept with its record, for a rollback.
KEPT_BYTES = 16 * 1024 * 1024
#: Beside a Compose file, and no part of a release: git's own, and the records of Fraisier.
NEVER = frozenset({".git", *(f"fraisier.db{end}" for end in ("", "-wal", "-shm", "-journal"))})
_CHUNK = 1024 * 1024


def with_labels(
    project: dict[str, Any], folder: str, variables: Mapping[str, str], key: bytes, sent: bool
) -> dict[str, Any]:
    """Return a project whose services have a label with a digest of their inputs, where any.

    `folder`: that of the Compose file; `sent`: the controller sent it, so that it holds nothing
    that a container wrote. `variables` has the values of configs and secrets from the environment.
    `key` keeps short secrets from being guessed by the digest.
    """
    for own in project["services"].values():
        parts = list(_parts(project, own, folder, variables, sent))
        if parts:
            digest = hmac.new(key, json.dumps(parts).encode(), hashlib.sha256)
            own["labels"] = {**(own.get("labels") or {}), LABEL: digest.hexdigest()[:16]}
    return project


def without_labels(project: Mapping[str, Any]) -> dict[str, Any]:
    """Return a project as it is without these labels."""
    changed: dict[str, Any] = copy.deepcopy(dict(project))
    for own in changed["services"].values():
        if LABEL in (own.get("labels") or {}):
            own["labels"] = {k: v for k, v in own["labels"].items() if k != LABEL}
            if not own["labels"]:
                own.pop("labels")
    return changed


def missing_variables(
    project: Mapping[str, Any], variables: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the configs and secrets that a service uses and whose variable has no value."""
    for own in project["services"].values():
        for kind, name, entry in _entries(project, own):
            wanted = entry.get("environment")
            if wanted and wanted not in variables and "content" not in entry:
                yield f"{kind}.{name}", str(wanted)


def mounted(project: Mapping[str, Any], folder: str, sent: bool = False) -> list[str]:
    """Return the files and folders of this machine that belong to what a release is made of."""
    found = set()
    for own in project["services"].values():
        found |= {str(e["file"]) for _k, _n, e in _entries(project, own) if e.get("file")}
        found |= {str(mount["source"]) for mount in _binds(own) if _covered(mount, folder, sent)}
    return sorted(found)


def writable_folders(project: Mapping[str, Any], folder: str) -> list[str]:
    """Return the folders beside the Compose file that containers may write to: not compared."""
    return sorted(
        {
            os.path.relpath(str(mount["source"]), folder)
            for own in project["services"].values()
            for mount in _binds(own)
            if not mount.get("read_only")
            and _inside(str(mount["source"]), folder)
            and os.path.isdir(mount["source"])
        }
    )


def keep(paths: list[str], home: str) -> dict[str, dict[str, str]]:
    """Copy files and folders into `home`; return for each its `copy` and its `digest`.

    What is larger than KEPT_BYTES together, or cannot be read, has no copy.
    """
    kept: dict[str, dict[str, str]] = {}
    left = KEPT_BYTES
    for number, path in enumerate(paths):
        kept[path] = {"digest": digest_of(path)}
        size = _size(path)
        if size is None or size > left:
            continue
        left -= size
        os.makedirs(home, 0o700, exist_ok=True)
        target = os.path.join(home, str(number))
        with suppress(OSError, shutil.Error):  # it changes just now: there is no copy then
            _copy(path, target)
            if digest_of(target) == kept[path]["digest"]:
                kept[path]["copy"] = target
    return kept


def with_kept(
    project: dict[str, Any],
    kept: Mapping[str, Mapping[str, str]],
    left: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """Make a project mount the copies of what has changed since; return what stays as it is now.

    That is what has no copy, and what containers may write to where it is not as `left`, what was
    kept with the release that is left, has it: a copy would hide what they wrote.
    """
    now = {path: digest_of(path) for path in kept}
    changed = [path for path, one in kept.items() if now[path] != one["digest"]]
    mounts = [mount for own in project["services"].values() for mount in _binds(own)]
    data = {str(mount["source"]) for mount in mounts if not mount.get("read_only")}
    written = {path for path in data & set(now) if now[path] != left.get(path, {}).get("digest")}
    copies = {p: kept[p]["copy"] for p in changed if kept[p].get("copy") and p not in written}
    for kind in ("configs", "secrets"):
        for entry in (project.get(kind) or {}).values():
            if entry.get("file") in copies:
                entry["file"] = copies[entry["file"]]
    for mount in mounts:
        mount["source"] = copies.get(mount["source"], mount["source"])
    return sorted(set(changed) - set(copies))


def digest_of(path: str, sent: bool = False) -> str:
    """Return a digest of a file, or of all that is below a folder; links are not followed there.

    What is neither, is missing or cannot be read has a digest of its own.
    """
    try:
        if os.path.isfile(path):
            return _file(path, sent)
        if not os.path.isdir(path):
            return "other" if os.path.exists(path) else "missing"
        whole = hashlib.sha256()
        for name, below in _below(path):
            text = os.readlink(below) if os.path.islink(below) else _file(below, sent)
            whole.update(f"{name}\0{text}\n".encode("utf-8", "surrogateescape"))
        return whole.hexdigest()
    except OSError as error:
        return f"unreadable: {error.errno}"


def _parts(
    project: Mapping[str, Any],
    own: Mapping[str, Any],
    folder: str,
    variables: Mapping[str, str],
    sent: bool,
) -> Iterator[str]:
    for kind, name, entry in _entries(project, own):
        value = str(entry.get("content") or variables.get(str(entry.get("environment")), ""))
        inside = bool(entry.get("file")) and sent and _inside(entry["file"], folder)
        yield f"{kind} {name} {digest_of(entry['file'], inside) if entry.get('file') else value}"
    for mount in _binds(own):
        if _covered(mount, folder, sent):
            inside = sent and _inside(str(mount["source"]), folder)
            yield f"{mount['target']} {digest_of(mount['source'], inside)}"


def _entries(
    project: Mapping[str, Any], own: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield the configs and secrets of a service: kind, name and definition."""
    for kind in ("configs", "secrets"):
        for use in own.get(kind) or ():
            name = str(use["source"] if isinstance(use, Mapping) else use)
            yield kind, name, (project.get(kind) or {}).get(name) or {}


def _binds(own: Mapping[str, Any]) -> list[dict[str, Any]]:
    mounts = own.get("volumes") or ()
    return [m for m in mounts if isinstance(m, dict) and m.get("type") == "bind"]


def _covered(mount: Mapping[str, Any], folder: str, sent: bool) -> bool:
    """True for a file, and for a folder beside the Compose file that holds no container's data."""
    source = str(mount["source"])
    if os.path.isfile(source):
        return bool(mount.get("read_only")) or _inside(source, folder)
    own = sent or bool(mount.get("read_only"))
    return own and os.path.isdir(source) and _inside(source, folder)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _below(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the files and links below a folder: their names there, and their paths."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - NEVER)
        links = [each for each in folders if os.path.islink(os.path.join(root, each))]
        for each in sorted({*files, *links} - NEVER):
            path = os.path.join(root, each)
            if os.path.islink(path) or os.path.isfile(path):
                yield os.path.relpath(path, folder), path


def _file(path: str, whole: bool) -> str:
    found = os.stat(path)
    mode = found.st_mode & 0o777
    if found.st_size > READ_BYTES and not whole:
        return f"{mode:o} {found.st_size} {found.st_mtime_ns}"
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return f"{mode:o} {digest.hexdigest()}"


def _size(path: str) -> int | None:
    """Return the bytes of a file or folder; None for what is neither."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    if not os.path.isdir(path):
        return None
    return sum(os.lstat(below).st_size for _name, below in _below(path))


def _copy(source: str, target: str) -> None:
    """Copy a file or folder with its modes and, as root, its owners."""
    if os.path.isfile(source):
        shutil.copy2(source, target)
        _own(source, target)
        return
    shutil.copytree(source, target, symlinks=True, ignore=lambda _folder, _names: NEVER)
    for name, below in _below(source):
        _own(below, os.path.join(target, name))


def _own(source: str, target: str) -> None:
    if os.geteuid() == 0:
        found = os.lstat(source)
        os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
