"""Files for a host as one tar stream, so that owners and modes need no second command."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A file, or a folder when `content` is None; `owner` is both user and group id."""

    path: str
    content: str | None = None
    mode: int = 0o644
    owner: int = 0


def pack(files: Iterable[File]) -> bytes:
    """`files` as an uncompressed tar, paths relative to the root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.mode, entry.uid, entry.gid = file.mode, file.owner, file.owner
            if file.content is None:
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
                continue
            content = file.content.encode()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
