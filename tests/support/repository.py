"""A git repository with versions of the test application, where lab hosts can read it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

APP = Path(__file__).parent / "app" / "app.py"
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
DATES = ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE")
FIRST = "2026-01-01T00:00:00Z"


def git(*arguments: str, cwd: Path | None = None, **environment: str) -> str:
    """Run git and return what it says."""
    done = subprocess.run(
        ["git", *IDENTITY, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Repository:
    """A bare repository at `path`, and a work tree beside it.

    The first commit has a fixed date, so that the same version has the same SHA in each test.
    """

    path: Path
    work: Path

    @classmethod
    def create(cls, folder: Path, name: str, work: Path) -> Repository:
        """Make an empty repository in a folder that hosts can read."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.git"
        git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
        git("clone", "--quiet", str(path), str(work))
        return cls(path, work)

    def commit(self, behaviour: str = "good", files: dict[str, str] | None = None) -> str:
        """Commit a version of the application that behaves so; return its SHA."""
        shutil.copy(APP, self.work / "app.py")
        (self.work / "behaviour").write_text(f"{behaviour}\n")
        for name, text in (files or {}).items():
            (self.work / name).write_text(text)
        git("add", "--all", cwd=self.work)
        dates = {} if self._has_commits() else dict.fromkeys(DATES, FIRST)
        git("commit", "--quiet", "--allow-empty", "--message", behaviour, cwd=self.work, **dates)
        git("push", "--quiet", "origin", "HEAD:main", cwd=self.work)
        return git("rev-parse", "HEAD", cwd=self.work)

    def _has_commits(self) -> bool:
        return bool(git("for-each-ref", "--count=1", cwd=self.work))
