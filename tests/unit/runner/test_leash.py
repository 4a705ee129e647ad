"""A run goes on while its leash is held, and no longer."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from fraisier.runner import leash
from fraisier.runner.leash import Leash, held, let_go, now


@pytest.fixture
def child() -> Iterator[int]:
    """Return the pidfd of a process that goes on."""
    process = subprocess.Popen(["sleep", "60"])
    descriptor = os.pidfd_open(process.pid)
    yield descriptor
    os.close(descriptor)
    process.kill()
    process.wait()


def waited(found: Leash, child: int) -> float:
    """Return how long a leash was held until it said that the child must end."""
    begun = time.monotonic()
    assert not held(found.reader, child)
    return time.monotonic() - begun


def test_before_the_first_beat_there_is_no_limit_and_letting_go_ends_it(child: int) -> None:
    found = Leash()
    threading.Timer(0.4, found.close).start()
    assert waited(found, child) > 0.39  # the two clocks are read at slightly different moments
    found.handed_over()


def test_i7_silence_ends_it_at_the_moment_that_was_said(
    child: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: what was said last counts, also where it is sooner."""
    monkeypatch.setattr(leash, "BEAT_SECONDS", 0.0)
    found = Leash()
    found.beat(now() + 60)
    found.beat(now() + 0.3)
    assert 0.2 < waited(found, child) < 30
    found.handed_over()
    found.close()


def test_i7_a_beat_that_comes_too_late_is_no_beat(child: int) -> None:
    """I7: the watcher was paused and wakes before the one that holds the leash does."""
    found = Leash()
    found.beat(now() - 0.1)
    assert waited(found, child) < 30
    found.handed_over()
    found.beat(now() + 60)  # nobody reads it any more, and that is no error
    found.close()


def test_the_end_of_the_child_ends_the_watch() -> None:
    found, process = Leash(), subprocess.Popen(["true"])
    found.beat(now() + 60)
    assert held(found.reader, os.pidfd_open(process.pid))
    process.wait()
    found.handed_over()
    found.close()


def test_a_paused_owner_has_not_let_go() -> None:
    leash = Leash()
    reader = os.dup(leash.reader)
    leash.handed_over()
    assert not let_go(reader)
    leash.beat(now() + 1)
    assert not let_go(reader)
    leash.close()
    assert let_go(reader)
    os.close(reader)
