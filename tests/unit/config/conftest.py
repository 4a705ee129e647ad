"""Folders to load configuration from."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_files import BOAT, Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A folder of its own, with nothing in it."""
    return Files(tmp_path)


@pytest.fixture
def boat(files: Files) -> Files:
    """A folder with a provider of the team's own, `boat`."""
    files.write(BOAT, "providers/boat/provider.yml")
    return files
