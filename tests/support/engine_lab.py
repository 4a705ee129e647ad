"""Lab hosts with a Docker engine each, shared by all workers of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.compose_hosts import give_base_image
from support.host_pool import HostPool, run_folder, run_id

HOSTS = 3


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostPool]:
    """Return hosts that have an engine with an image for services; a test leases some of them."""
    name, folder = f"engine-{run_id()}", run_folder(tmp_path_factory)
    with HostPool(name, HOSTS, folder, engine=True, prepare=give_base_image) as pool:
        yield pool
