# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""A Compose file and its folder as the controller sent them: kept, laid out, and brought back."""

from __future__ import annotations

import base64
import glob
import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from contextlib import contextmanager
from typing import Any, Iterator, Mapping

from .failure import Failure
from .files import read_json, remove_file, write_json
from .releases import state_home


class Files:
    """What was sent of one Compose file; `home` holds it, and `folder` is its folder there."""

    def __init__(self, file: str, project: str | None, options: Mapping[str, Any]) -> None:
        self.sent_from = os.path.dirname(file)
        base = os.path.basename(self.sent_from) or "project"
        self.home = os.path.join(state_home(), "compose", ".files", key_of(project or base))
        self.folder = os.path.join(self.home, "tree", base)
        # as Compose names it, unless its file does
        self.usual_project = re.sub(r"[^a-z0-9_-]", "", base.lower()).lstrip("_-") or "project"
        self.file = os.path.join(self.folder, os.path.basename(file))
        self.digest: str = options.get("digest") or ""
        self._options = options

    @property
    def wanted(self) -> bool:
        """True when the controller has to send them: their content is not here."""
        sent = self._options.get("content") or self._options.get("archive")
        return bool(self.digest) and not sent and not os.path.exists(self._kept(self.digest))

    @contextmanager
    def laid_out(self) -> Iterator[str]:
        """Lay them out in a folder for this run alone; yields where the Compose file is."""
        with tempfile.TemporaryDirectory(prefix="fraisier-") as place:
            folder = os.path.join(place, os.path.basename(self.folder))
            os.mkdir(folder)
            _unpack(self._data(), folder)
            yield os.path.join(folder, os.path.basename(self.file))

    def keep(self) -> None:
        """Keep what was sent; nobody else can read it."""
        if not self.digest or os.path.exists(self._kept(self.digest)):
            return
        data = self._data()
        os.makedirs(os.path.dirname(self.home), exist_ok=True)
        for folder in (self.home, os.path.dirname(self._kept("x"))):
            os.makedirs(folder, 0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.home, delete=False) as draft:
            draft.write(data)
        os.replace(draft.name, self._kept(self.digest))

    def install(self, digest: str) -> bool:
        """Make the folder what was sent as `digest`; True when it was not yet.

        What was never sent, as a container's own data, stays. Raises Failure.
        """
        record = os.path.join(self.home, "installed.json")
        before = read_json(record) or {}
        if before.get("digest") == digest:
            return False
        with open(self._kept(digest), "rb") as file:
            data = file.read()
        _require_digest(data, digest)
        os.makedirs(self.folder, 0o755, exist_ok=True)
        write_json(record, {"digest": "", "names": before.get("names", [])})
        names = _unpack(data, self.folder)
        for name in sorted(set(before.get("names", ())) - set(names), reverse=True):
            _drop(self.folder, name)
        write_json(record, {"digest": digest, "names": names})
        return True

    def has(self, digest: str) -> bool:
        """True when what was sent as `digest` is still kept."""
        return os.path.exists(self._kept(digest))

    def prune(self) -> None:
        """Forget what no release of any service needs any more."""
        pattern = os.path.join(state_home(), "compose", "*", "*", "releases", "*.json")
        records = (read_json(path) or {} for path in glob.glob(pattern))
        needed = {(record.get("spec") or {}).get("files") for record in records}
        for name in os.listdir(os.path.dirname(self._kept("x"))):
            if name.partition(".")[0] not in {*needed, self.digest}:
                remove_file(os.path.join(os.path.dirname(self._kept("x")), name))

    def _kept(self, digest: str) -> str:
        return os.path.join(self.home, "archives", f"{digest}.tgz")

    def _data(self) -> bytes:
        data = self._read()
        _require_digest(data, self.digest)
        return data

    def _read(self) -> bytes:
        if self._options.get("content"):
            return base64.b64decode(self._options["content"])
        with open(self._options.get("archive") or self._kept(self.digest), "rb") as file:
            return file.read()


def _require_digest(data: bytes, digest: str) -> None:
    if hashlib.sha256(data).hexdigest() != digest:
        raise Failure("files_damaged", "the Compose file came damaged", "deploy again")


def key_of(name: str) -> str:
    """Return a folder's name for a project's."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-") or "project"


def moved(value: Any, before: str, after: str) -> Any:
    """Return a resolved project with every path below `before` below `after`."""
    if isinstance(value, Mapping):
        return {key: moved(item, before, after) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, before, after) for item in value]
    return value.replace(before, after) if isinstance(value, str) else value


def _unpack(data: bytes, folder: str) -> list[str]:
    """Write what an archive holds over a folder, and return the names."""
    names = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        for entry in tar:
            path = _safe(folder, entry.name)
            names.append(entry.name)
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            if entry.isdir():
                os.makedirs(path, 0o755, exist_ok=True)
            elif entry.issym():
                remove_file(path)
                os.symlink(entry.linkname, path)
            else:
                _write(tar, entry, path)
    return names


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
    source = tar.extractfile(entry)
    if source is None:
        return
    draft = f"{path}.fraisier-new"
    remove_file(draft)
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(number, "wb") as target:
        shutil.copyfileobj(source, target)
    os.chmod(draft, entry.mode & 0o777)
    os.replace(draft, path)


def _safe(folder: str, name: str) -> str:
    """Return the path of a name below a folder; no link on the way is followed."""
    parts = name.split("/")
    path = folder
    for part in parts[:-1]:
        path = os.path.join(path, part)
        if os.path.islink(path) or part in ("..", ""):
            raise Failure(
                "files_in_the_way", f"{path} is a link, and a folder is to be there", f"rm {path}"
            )
    if parts[-1] in ("..", ""):
        raise Failure("files_damaged", f"{name!r} is no name of a file", "deploy again")
    return os.path.join(folder, name)


def _drop(folder: str, name: str) -> None:
    path = _safe(folder, name)
    if os.path.isdir(path) and not os.path.islink(path):
        if not os.listdir(path):
            os.rmdir(path)
    else:
        remove_file(path)
