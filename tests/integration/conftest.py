"""Fixtures for tests of what is shipped: the tarball, and environments outside this repository."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from fraisier.lab import Lab
from support.controller import DEBIAN_PYTHON, Controller, debian, download
from support.gates import Gates
from support.interpreters import interpreters
from support.tree import COLLECTION, TOP


@pytest.fixture(scope="session")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Gates:
    """Return the tools that check the collection."""
    return Gates.ready(tmp_path_factory.mktemp("pythons"))


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the collection as Galaxy would have it."""
    folder = tmp_path_factory.mktemp("tarball")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    argv = [galaxy, "collection", "build", COLLECTION, "--output-path", folder]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("fraisier-deploy-*.tar.gz")
    return built


@pytest.fixture(scope="session", params=["oldest", "newest"])
def controller(
    request: pytest.FixtureRequest,
    tarball: Path,
    lab: Lab,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Controller]:
    """Return plain Ansible with the collection, once for each ansible-core it is made for.

    The newest needs Python 3.12: one that this machine has, or else that of Debian 13.
    """
    constraints, found = {
        "oldest": ("constraints.txt", {sys.version_info.minor: Path(sys.executable)}),
        "newest": ("constraints-newest.txt", interpreters(12, 14)),
    }[request.param]
    minor = max(found, default=DEBIAN_PYTHON)
    python = str(found.get(minor, f"python3.{minor}"))
    wheels = tmp_path_factory.mktemp("wheels")
    download(TOP / constraints, minor, wheels)
    place = debian(tmp_path_factory.getbasetemp(), lab.folder)
    with nullcontext("") if found else place as container:
        plain = Controller(tmp_path_factory.mktemp("controller"), container)
        plain.furnish(python, wheels, tarball)
        yield plain
