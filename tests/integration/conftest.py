"""Fixtures for tests of what is shipped: the tarball, and environments outside this repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from fraisier.lab import Lab
from support.controller import DEBIAN_PYTHON, Controller, build, debian, download
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
    return build(COLLECTION, tmp_path_factory.mktemp("tarball"))


#: The oldest is the one that Fraisier depends on.
CORES = ("oldest", pytest.param("newest", marks=pytest.mark.slow))


@pytest.fixture(scope="session", params=CORES)
def controller(
    request: pytest.FixtureRequest, tarball: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Controller]:
    """Return plain Ansible with the collection, once for each ansible-core it is made for."""
    folder = tmp_path_factory.mktemp("controller")
    if request.param == "oldest":
        plain = Controller(folder)
        plain.link()
        plain.add(tarball)
        yield plain
        return
    wheels = tmp_path_factory.mktemp("wheels")
    with newest(folder, wheels, request.getfixturevalue("lab")) as plain:
        plain.add(tarball)
        yield plain


@contextmanager
def newest(folder: Path, wheels: Path, lab: Lab) -> Iterator[Controller]:
    """Yield the newest ansible-core in an empty environment.

    It needs Python 3.12: one that this machine has, or else that of Debian 13.
    """
    found = interpreters(12, 14)
    minor = max(found, default=DEBIAN_PYTHON)
    download(TOP / "constraints-newest.txt", minor, wheels)
    place = debian(folder.parent, lab.folder)
    with nullcontext("") if found else place as container:
        plain = Controller(folder, container)
        plain.install(str(found.get(minor, f"python3.{minor}")), wheels)
        yield plain
