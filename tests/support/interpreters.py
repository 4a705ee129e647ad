"""The Python interpreters of this machine, wherever they are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


def interpreters(first: int, last: int) -> dict[int, Path]:
    """Return, by minor version, each Python 3 from `first` to `last` that can make environments."""
    found = {minor: next(filter(_works, _places(minor)), None) for minor in range(first, last + 1)}
    return {minor: python for minor, python in found.items() if python}


def link_interpreters(folder: Path, first: int, last: int) -> dict[int, Path]:
    """Link each Python 3 of this machine into a folder, for its place on PATH; return them."""
    found = interpreters(first, last)
    for minor, python in found.items():
        (folder / f"python3.{minor}").symlink_to(python)
    return found


def _places(minor: int) -> Iterator[Path]:
    name = f"python3.{minor}"
    for folder in os.get_exec_path():
        yield Path(folder, name)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/3.{minor}.*/bin/{name}"))


def _works(python: Path) -> bool:
    """True for one that is there and answers; a shim of pyenv's may stand for none."""
    if not python.exists():
        return False
    argv = [python, "-c", "import ensurepip, venv"]
    return subprocess.run(argv, capture_output=True).returncode == 0
