"""Plain Ansible in an environment of its own, which knows nothing of this repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fraisier.lab import engine, image
from fraisier.lab.recipe import Recipe
from support.environments import linked, required

#: Debian 13, for a machine that has no Python new enough; its Python is 3.13.
DEBIAN = Recipe(suite="trixie")
DEBIAN_PYTHON = 13


@dataclass(frozen=True)
class Controller:
    """ansible-core in `folder`/venv and collections in `folder`/collections, and nothing else.

    Programs run on this machine, or in a container that sees `folder` at the same path.
    """

    folder: Path
    container: str = ""

    def __call__(
        self, *command: str, cwd: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment to its end."""
        variables = {
            "PATH": f"{self.folder}/venv/bin:{os.defpath}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": f"{self.folder}/collections",
            "ANSIBLE_NOCOLOR": "1",
            **environment,
        }
        if self.container:
            given = [word for item in variables.items() for word in ("--env", "=".join(item))]
            command = ("docker", "exec", "--workdir", str(cwd), *given, self.container, *command)
            variables = dict(os.environ)
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)

    def must(self, *command: str, cwd: Path) -> str:
        """Run a program that has to succeed; return what it printed."""
        done = self(*command, cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def link(self) -> None:
        """Make the environment with the ansible-core that these tests have."""
        linked(self.folder / "venv", "ansible-core", *required("ansible-core"))

    def install(self, python: str, wheels: Path) -> None:
        """Make the environment with this Python and ansible-core from `wheels`."""
        self.must(python, "-m", "venv", f"{self.folder}/venv", cwd=self.folder)
        offline = ("--no-index", "--find-links", str(wheels), "--disable-pip-version-check")
        self.must("pip", "install", "--quiet", *offline, "ansible-core", cwd=self.folder)

    def add(self, tarball: Path) -> None:
        """Install the collection from its tarball."""
        to = ("--collections-path", f"{self.folder}/collections", "--offline")
        self.must("ansible-galaxy", "collection", "install", str(tarball), *to, cwd=self.folder)


def build(collection: Path, to: Path) -> Path:
    """Build the tarball of a collection as Galaxy would have it; return it."""
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    argv = [galaxy, "collection", "build", collection, "--output-path", to]
    done = subprocess.run(argv, cwd=to, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = to.glob("*.tar.gz")
    return built


def download(constraints: Path, minor: int, to: Path) -> None:
    """Download what is pinned, ansible-core and what it needs, as wheels for Python 3.`minor`."""
    argv = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--only-binary=:all:", f"--python-version=3.{minor}"),
        *("--require-hashes", "--requirement", str(constraints), "--dest", str(to)),
    ]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@contextmanager
def debian(*visible: Path) -> Iterator[str]:
    """Yield a container of Debian 13 that has this machine's network and sees these folders."""
    volumes = [f"--volume={folder}:{folder}" for folder in visible]
    tag = image.ensure(DEBIAN, print)
    name = engine.docker(
        "run", "--detach", "--network=host", *volumes, tag, "sleep", "infinity"
    ).strip()
    try:
        yield name
    finally:
        engine.docker("rm", "--force", name)
