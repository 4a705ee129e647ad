"""What shows that a configuration was changed: its file and those of the team's providers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fraisier.config.providers import FILE_NAME

#: A file's name, when it was written and changed (nanoseconds), its size and inode; or its name.
Seen = tuple[str | int, ...]


def seen(file: Path, environ: Mapping[str, str] = os.environ) -> tuple[Seen, ...]:
    """Return what differs once the file, or a provider of the team's, has changed; never raise."""
    return tuple(_seen(each) for each in _files(file, environ))


def _files(file: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    yield file
    named = filter(None, environ.get("FRAISIER_PROVIDERS_PATH", "").split(os.pathsep))
    folders = [Path(os.path.expanduser(name)).absolute() for name in named]
    for folder in (*folders, file.parent / "providers"):
        yield from sorted(folder.glob(f"*/{FILE_NAME}"))


def _seen(file: Path) -> Seen:
    try:
        found = file.stat()
    except OSError:
        return (str(file),)
    return (str(file), found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
