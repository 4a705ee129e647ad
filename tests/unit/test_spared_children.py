"""Modules that tests run in this process leave the servers of other tests alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils import processes
from support.target import until


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[bytes]]:
    """Return a process that is older than the test."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_only_what_a_test_itself_started_is_ended(server: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["sleep", "600"]) as own:
        processes.end_orphans()
        until(lambda: own.poll() is not None)
    assert server.poll() is None
