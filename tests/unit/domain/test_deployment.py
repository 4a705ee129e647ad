"""The table of moves, and values that survive being stored."""

from __future__ import annotations

import time

import pytest

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import MOVES, IllegalMove, Status, check_move
from fraisier.domain.event import EVENT_TYPES, Fact
from fraisier.domain.ids import new_id
from support.fakes import make_target


def test_every_state_is_reached_and_an_end_is_never_left() -> None:
    reached = {Status.PENDING} | {after for ends in MOVES.values() for after in ends}
    assert reached == set(Status)
    for end in (status for status in Status if status.terminal):
        with pytest.raises(IllegalMove):
            check_move(end, Status.IN_PROGRESS)


def test_only_what_waits_or_runs_can_move() -> None:
    assert {status for status in Status if not status.terminal} == {
        Status.PENDING,
        Status.IN_PROGRESS,
    }


def test_a_target_is_the_same_after_it_was_stored() -> None:
    target = make_target("a", "b", service={"x": {"env": "NAME"}})
    assert Target.from_json(target.as_json()) == target


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = []
    for _ in range(5):
        made.append(new_id("dep"))
        time.sleep(0.002)
    assert made == sorted(made)
    assert len({new_id("dep") for _ in range(1000)}) == 1000


def test_a_fact_of_an_unknown_type_is_a_defect() -> None:
    with pytest.raises(ValueError, match="unknown event type"):
        Fact("deployment.exploded")
    assert {f"deployment.{status}" for status in Status if status.terminal} - EVENT_TYPES == {
        "deployment.success"
    }
