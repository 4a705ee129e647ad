"""The files of this repository, as git has or would take them."""

from __future__ import annotations

import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
COLLECTION = TOP / "collections/ansible_collections/fraisier/deploy"


def files_of(folder: Path) -> set[str]:
    """Return the paths of the files below a folder, relative to it; links are left out."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    said = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True).stdout
    names = set(said.split("\0")) - {""}
    return {
        name for name in names if (folder / name).is_file() and not (folder / name).is_symlink()
    }
