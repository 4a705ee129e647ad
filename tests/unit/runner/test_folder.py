"""The private folder of a run is wiped by others only once its owner has let go of it."""

from __future__ import annotations

import threading

import pytest

from fraisier.runner.folder import Folder, make_folder, wipe_orphaned


@pytest.fixture
def held() -> Folder:
    """Return a folder whose owner lives, as this process does."""
    return make_folder()


def test_one_that_is_held_is_left_alone(held: Folder) -> None:
    wipe_orphaned(held.path)
    wipe_orphaned(held.path, patience=0.05)
    assert held.path.exists()
    held.wipe()


def test_an_owner_on_its_way_out_is_waited_for(held: Folder) -> None:
    dying = threading.Timer(0.2, held.disown)
    dying.start()
    wipe_orphaned(held.path, patience=30)
    assert not held.path.exists()
    dying.join()
    held.wipe()
