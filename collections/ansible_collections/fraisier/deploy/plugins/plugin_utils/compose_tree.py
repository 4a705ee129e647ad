# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a Compose file's folder is sent to a host: the file, and what it refers to."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from typing import Any, Callable, Iterable, Iterator, Mapping

import yaml

from ..module_utils.failure import Failure
from .docker_ignore import ignored_by

MOST_BYTES = 256 * 1024 * 1024
#: Nobody's sources: git's own, and the database that `fraisier` keeps beside fraises.yaml.
NEVER = frozenset({".git", *(f"fraisier.db{end}" for end in ("", "-wal", "-shm", "-journal"))})
_REMOTE = ("git@", "github.com/")

Refer = Callable[[str], None]


def pack(file: str) -> bytes:
    """Return a Compose file and what it refers to, as a compressed tar; raises Failure.

    The same files give the same bytes. Names in it start at the file's folder.
    """
    folder = os.path.dirname(file)
    text = _read(file)
    names = {os.path.basename(file), *_there(folder, [".env"])}
    names |= set(_everything(folder) if _refers_further(text) else _named(folder, _parsed(text)))
    _require_size(folder, names)
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name in sorted(names):
            _add(tar, folder, name)
    return buffer.getvalue()


def paths_in(document: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the relative paths that a Compose file names, and those that it builds from."""
    paths: list[str] = []
    contexts: list[str] = []
    for service in _mappings(document.get("services")):
        _of_service(service, paths.append, contexts.append)
    for kind in ("configs", "secrets"):
        for entry in _mappings(document.get(kind)):
            paths.append(str(entry.get("file") or ""))
    return [p for p in paths if _is_relative(p)], [c for c in contexts if _is_relative(c)]


def _of_service(service: Mapping[str, Any], path: Refer, context: Refer) -> None:
    for key in ("env_file", "label_file"):
        for entry in _list(service.get(key)):
            path(str(entry.get("path", "") if isinstance(entry, Mapping) else entry))
    for volume in _list(service.get("volumes")):
        bind = isinstance(volume, Mapping) and volume.get("type") == "bind"
        source = volume.get("source", "") if bind else str(volume).split(":", maxsplit=1)[0]
        if str(source).startswith("."):
            path(str(source))
    build = service.get("build")
    if build is not None:
        own = build if isinstance(build, Mapping) else {"context": build}
        context(str(own.get("context", ".")))
        more = own.get("additional_contexts") or {}
        for value in more.values() if isinstance(more, Mapping) else ():
            context(str(value))


def _is_relative(path: str) -> bool:
    remote = "://" in path or path.startswith(_REMOTE)
    return bool(path) and not remote and not path.startswith(("/", "~"))


def _refers_further(text: str) -> bool:
    """True where what the file refers to is known to Compose alone."""
    document = _parsed(text)
    if document is None or "include" in document:
        return True
    services = list(_mappings(document.get("services")))
    extends = [s.get("extends") for s in services]
    if any(isinstance(each, Mapping) and "file" in each for each in extends):
        return True
    paths, contexts = paths_in(document)
    return any("$" in path for path in (*paths, *contexts))


def _parsed(text: str) -> Any:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return None  # tags of Compose's own; or it is broken, which Compose will say
    return document if isinstance(document, Mapping) else None


def _named(folder: str, document: Mapping[str, Any]) -> Iterator[str]:
    paths, contexts = paths_in(document)
    for path in paths:
        yield from _below(folder, _inside(path))
    for path in contexts:
        inside = _inside(path)
        if os.path.isdir(os.path.join(folder, inside)):
            yield from _context(folder, inside)


def _context(folder: str, inside: str) -> Iterator[str]:
    root = os.path.join(folder, inside)
    ignored = ignored_by(os.path.join(root, ".dockerignore"))
    for name in _below(folder, inside):
        within = os.path.relpath(name, inside)
        needed = within == ".dockerignore" or "dockerfile" in os.path.basename(within).lower()
        if needed or not ignored(within):
            yield name


def _everything(folder: str) -> Iterator[str]:
    return _below(folder, ".")


def _below(folder: str, name: str) -> Iterator[str]:
    """Yield a file's name, or those of all files, links and empty folders below a folder."""
    path = os.path.join(folder, name)
    if os.path.islink(path) or not os.path.isdir(path):
        yield from _there(folder, [name])
        return
    for root, folders, files in os.walk(path):
        folders[:] = sorted(each for each in folders if each not in NEVER)
        links = [each for each in folders if os.path.islink(os.path.join(root, each))]
        for each in (*files, *links):
            if each not in NEVER:
                yield os.path.relpath(os.path.join(root, each), folder)
        if not folders and not files:
            yield os.path.relpath(root, folder)


def _there(folder: str, names: Iterable[str]) -> list[str]:
    return [os.path.normpath(n) for n in names if os.path.lexists(os.path.join(folder, n))]


def _inside(path: str) -> str:
    """Return a path, or raise Failure where it leads out of the Compose file's folder."""
    normal = os.path.normpath(path)
    if normal == ".." or normal.startswith("../"):
        raise Failure(
            "compose_outside",
            f"the Compose file refers to {path}, which is outside its folder and is not sent",
            "put the Compose file above it, or name an absolute path that the hosts have",
        )
    return normal


def _require_size(folder: str, names: Iterable[str]) -> None:
    size = sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    if size > MOST_BYTES:
        raise Failure(
            "compose_too_large",
            f"{folder} would be sent with {size // 1024**2} MiB; at most {MOST_BYTES // 1024**2} "
            "MiB are",
            "name what is not needed in .dockerignore, or build an image elsewhere and name it",
        )


def _add(tar: tarfile.TarFile, folder: str, name: str) -> None:
    path = os.path.join(folder, name)
    entry = tar.gettarinfo(path, arcname=name)
    if entry is None or not (entry.isfile() or entry.isdir() or entry.issym()):
        return  # a socket, a pipe: nothing that could be sent
    if entry.islnk():
        entry.type, entry.size = tarfile.REGTYPE, os.lstat(path).st_size
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode &= 0o777
    if entry.isfile():
        with open(path, "rb") as file:
            tar.addfile(entry, file)
    else:
        tar.addfile(entry)


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as text:
            return text.read()
    except OSError as error:
        raise Failure(
            "compose_file_missing",
            f"{file} cannot be read: {error.strerror}",
            "docker_compose_file starts at the folder of fraises.yaml; correct it",
        ) from None


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    for each in value.values() if isinstance(value, Mapping) else ():
        if isinstance(each, Mapping):
            yield each


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
