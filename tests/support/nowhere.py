"""A target whose only host is an address where nothing ever answers: for refusals that need none.

Whoever tries to connect to it ends otherwise than the refusals that tests expect.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fraisier.lab import Lab, LabHost
from support.repository import Repository
from support.target import Target

#: RFC 5737 keeps this network for documentation: no packet to it arrives.
ADDRESS = "192.0.2.1"


@pytest.fixture
def nowhere(tmp_path: Path) -> Target:
    """Return a target that no test can deploy to, with one good version in its repository."""
    repository = Repository.create(tmp_path / "git", "app", tmp_path / "work")
    repository.commit("good")
    project = tmp_path / "project"
    project.mkdir()
    host = LabHost("nowhere", ADDRESS, "no-container")
    lab = Lab("nowhere", tmp_path, (host,))
    for file in (lab.key, lab.known_hosts):
        file.touch(0o600)
    return Target(lab, [host], repository, project)
