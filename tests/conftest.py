"""Fixtures for every kind of test; real hosts are made when the first test asks for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fraisier import lab as labs
from support.databases import (  # noqa: F401  (fixtures)
    database_kind,
    database_url,
    empty_database_url,
    mariadb_server,
    nats_server,
    postgres_server,
)
from support.repository import Repository
from support.target import Target, wipe

#: The files that take longest, the first of them minutes: begun first, so that at the end no worker
#: is left alone with one of them.
LONGEST = (
    "acceptance/test_zero_downtime_systemd.py",
    "acceptance/test_compose.py",
    "integration/test_collection_gates.py",
    "acceptance/test_cli_both_ways.py",
    "acceptance/test_zero_downtime_compose.py",
    "acceptance/test_compose_colours.py",
    "acceptance/test_canary_pauses.py",
    "acceptance/test_coolify.py",
    "integration/test_collection_alone.py",
    "acceptance/test_compose_hosts.py",
    "acceptance/test_colours.py",
    "acceptance/test_deploy.py",
    "acceptance/test_documents.py",
    "integration/test_api_fuzz.py",
    "integration/test_collection.py",
    "acceptance/test_service.py",
    "acceptance/test_in_place.py",
    "integration/test_server.py",
    "acceptance/test_hosts.py",
    "integration/test_acme.py",
    "acceptance/test_hooks.py",
    "acceptance/test_sources.py",
    "acceptance/test_rolling_proxy.py",
    "contract/test_migrations.py",
    "chaos/test_chaos.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first; the others stay in order."""
    tests = Path(__file__).parent
    place = {tests / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


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


def remove_labs_of_dead_runs() -> None:
    """Take down what a killed run of the tests left behind."""
    for name in labs.names():
        kind, _, pid = name.partition("-")
        if kind in ("test", "engine") and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            labs.down(name)


@pytest.fixture
def make_target(
    lab: labs.Lab, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[int], Target]]:
    """Return a function that makes a target on so many hosts; they are wiped afterwards."""
    made: list[labs.LabHost] = []

    def make(hosts: int) -> Target:
        chosen = lab.hosts[:hosts]
        made.extend(chosen)
        folder = lab.git / str(abs(hash(request.node.nodeid)))
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
