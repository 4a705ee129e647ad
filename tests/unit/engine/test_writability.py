"""Whether the database takes changes: asked often, tried seldom, and waited for by nobody long."""

from __future__ import annotations

import threading

import pytest

from fraisier.domain.errors import StoreError
from fraisier.engine import writability
from fraisier.engine.writability import TRIES, Writability


def test_strangers_cannot_make_it_write_at_every_request() -> None:
    tries: list[None] = []
    asked = Writability(lambda: tries.append(None), seconds=3600)
    assert not any(asked.refused() for _ in range(100))
    assert len(tries) == TRIES


def test_a_try_that_waits_for_others_is_not_begun_again_and_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writability, "PATIENT_SECONDS", 0.01)
    go, tries = threading.Event(), 0

    def write() -> None:
        nonlocal tries
        tries += 1
        assert go.wait(60)
        raise StoreError("others held the records for too long")

    asked = Writability(write)
    assert [asked.refused() for _ in range(20)] == [False] * 20
    assert tries == 1
    trying = asked._thread
    go.set()
    assert trying is not None
    trying.join(60)
    assert asked._refused


def test_where_no_thread_can_start_the_last_answer_holds_and_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    tries: list[None] = []
    asked = Writability(lambda: tries.append(None))
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        assert not asked.refused()
        assert not asked.refused()
    assert not asked.refused()
    assert tries == [None]
