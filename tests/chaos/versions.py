"""A repository with more versions than a round needs: each deployment gets one of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

SERVICE = Path(__file__).parent / "service"
#: The kinds of versions: how many seconds the build takes, and how the service behaves.
KINDS = {
    "quick": ("0.3", "good"),
    "middle": ("1.5", "good"),
    "slow": ("6", "good"),
    "bad": ("0.3", "bad"),
}


@dataclass(frozen=True)
class Versions:
    """The versions of each kind, as full commit SHAs; `path` is the repository."""

    path: Path
    of: dict[str, tuple[str, ...]]

    @classmethod
    def create(cls, path: Path, each: int) -> Versions:
        """Make a bare repository with `each` versions of every kind."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _git(path.parent, "init", "--quiet", "--bare", "--initial-branch=quick", str(path))
        stream = "".join(_stream(each)).encode()
        importing = ["git", "fast-import", "--quiet"]
        subprocess.run(importing, cwd=path, input=stream, check=True)
        found = {kind: _git(path, "rev-list", "--reverse", kind).split() for kind in KINDS}
        return cls(path, {kind: tuple(shas) for kind, shas in found.items()})


class Shelf:
    """The versions that one target has not had yet."""

    def __init__(self, versions: Versions) -> None:
        self._left = {kind: iter(shas) for kind, shas in versions.of.items()}

    def take(self, kind: str) -> str:
        """Return a version of a kind that this target never had."""
        return next(self._left[kind])


def _stream(each: int) -> Iterator[str]:
    files = sorted(SERVICE.glob("*.py"))
    marks = count(1)
    blobs = {file.name: next(marks) for file in files}
    for file in files:
        yield f"blob\nmark :{blobs[file.name]}\n{_data(file.read_text())}"
    for kind, (seconds, behaviour) in KINDS.items():
        for number in range(each):
            yield f"commit refs/heads/{kind}\n"
            yield f"committer T <t@example.invalid> {10**9 + number} +0000\n"
            yield _data(f"{kind} {number}")
            own = {"seconds": seconds, "behaviour": behaviour, "number": f"{kind} {number}\n"}
            yield "".join(f"M 100644 :{blob} {name}\n" for name, blob in blobs.items())
            yield "".join(f"M 100644 inline {name}\n{_data(text)}" for name, text in own.items())


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout
