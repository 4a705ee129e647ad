"""Fixtures for every kind of test; real hosts are made when the first test asks for them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import processes
from fraisier import lab as labs
from support.databases import (  # noqa: F401  (fixtures)
    database_kind,
    database_url,
    empty_database_url,
    mariadb_server,
    nats_server,
    postgres_server,
)
from support.host_pool import remove_labs_of_dead_runs
from support.repository import Repository
from support.target import Target, wipe

pytest_plugins = ("support.budget", "support.evidence")


@pytest.fixture(autouse=True)
def earlier_children_are_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep modules that run in this process from ending the servers of the tests.

    On a host a module is a process of its own, and kills all children that its commands leave.
    """
    earlier, find = _own_children(), processes._children
    monkeypatch.setattr(processes, "_children", lambda: [p for p in find() if p not in earlier])


def _own_children() -> set[int]:
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # the thread has ended meanwhile
            found |= {int(pid) for pid in (thread / "children").read_text().split()}
    return found


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder for a home of its own, with a short name.

    Of the path of ssh's sockets below it no more than about a hundred characters are allowed.
    """
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        yield Path(folder) / "me"


@pytest.fixture(scope="session")
def lab() -> Iterator[labs.Lab]:
    """Three real hosts, for this run of the tests only."""
    remove_labs_of_dead_runs()
    name = f"test-{os.getpid()}"
    try:
        yield labs.up(name, 3)
    finally:
        labs.down(name)


@pytest.fixture
def make_target(lab: labs.Lab, tmp_path: Path) -> Iterator[Callable[[int], Target]]:
    """Return a function that makes a target on so many hosts; they are wiped afterwards."""
    made: list[labs.LabHost] = []

    def make(hosts: int) -> Target:
        chosen = lab.hosts[:hosts]
        made.extend(chosen)
        folder = lab.git / f"{hosts}-hosts"  # the same in each test, for support.starting_state
        shutil.rmtree(folder, ignore_errors=True)
        repository = Repository.create(folder, "app", tmp_path / "work")
        project = tmp_path / "project"
        project.mkdir()
        return Target(lab, chosen, repository, project)

    yield make
    for host in made:
        wipe(host)


@pytest.fixture
def target(make_target: Callable[[int], Target]) -> Target:
    """Return a target on one host."""
    return make_target(1)


@pytest.fixture
def fleet(make_target: Callable[[int], Target]) -> Target:
    """Return a target on three hosts."""
    return make_target(3)
