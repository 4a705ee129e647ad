"""A git repository with versions of the test application, where lab hosts can read it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

APP = Path(__file__).parent / "app" / "app.py"
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")


def git(*arguments: str, cwd: Path | None = None) -> str:
    """Run git and return what it says."""
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Repository:
    """A bare repository at `path`, and a work tree beside it."""

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
        git("commit", "--quiet", "--allow-empty", "--message", behaviour, cwd=self.work)
        git("push", "--quiet", "origin", "HEAD:main", cwd=self.work)
        return git("rev-parse", "HEAD", cwd=self.work)
