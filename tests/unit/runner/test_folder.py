"""The private folder of a run is wiped by others only once its owner has let go of it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fraisier.runner import folder
from fraisier.runner.folder import PREFIX, Folder, make_folder, sweep, wipe_orphaned


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


@pytest.mark.parametrize("number", [1, os.getpid(), os.getppid(), 4_194_304])
def test_what_a_dead_owner_left_is_swept_up_whatever_its_number_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Such as PID 1 of a container that shares /dev/shm: here 1 is always somebody else."""
    monkeypatch.setattr(folder, "base", lambda: tmp_path)
    left = tmp_path / f"{PREFIX}{number}-x1y2z3"
    (left / "tmp").mkdir(parents=True)
    lives = make_folder()
    sweep()
    assert [*tmp_path.iterdir()] == [lives.path]
    lives.wipe()
