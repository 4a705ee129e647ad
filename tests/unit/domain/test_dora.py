"""DORA's four keys, by their written definitions."""

from __future__ import annotations

from typing import Any

import pytest

from fraisier.domain.dora import Ended, Spread, four_keys, spread

MINUTE = 60_000_000


def ended(status: str, at: int, **more: Any) -> Ended:
    """Return a deploy that was asked for 3 minutes before its end and began 2 minutes before."""
    values: dict[str, Any] = {
        "fraise": "api",
        "environment": "production",
        "kind": "deploy",
        "status": status,
        "created_at": (at - 3) * MINUTE,
        "started_at": (at - 2) * MINUTE,
        "completed_at": at * MINUTE,
    }
    return Ended(**{**values, **more})


def test_percentiles_are_nearest_rank() -> None:
    assert spread([4, 1, 3, 2]) == Spread(4, 2.5, 2, 4)
    assert spread(range(1, 101)) == Spread(100, 50.5, 50, 95)
    assert spread([]) == Spread(0, None, None, None)


def test_nothing_that_ended_is_no_rate_and_no_time() -> None:
    keys = four_keys([], 30)
    assert (keys.per_day, keys.failure_rate, keys.lead_seconds) == (0, None, None)


def test_frequency_counts_successful_deploys_and_lead_time_is_their_median_from_the_request() -> (
    None
):
    past = [ended("success", 10), ended("success", 20), ended("success", 30, created_at=0)]
    keys = four_keys([*past, ended("success", 40, kind="rollback")], days=2)
    assert (keys.successes, keys.per_day, keys.lead_seconds) == (3, 1.5, 180)


@pytest.mark.parametrize("status", ["failed", "rolled_back", "rollback_failed", "interrupted"])
def test_a_change_that_failed_counts(status: str) -> None:
    keys = four_keys([ended("success", 10), ended(status, 20)], 30)
    assert (keys.changes, keys.failures, keys.failure_rate) == (2, 1, 0.5)


@pytest.mark.parametrize("status", ["cancelled", "superseded"])
def test_what_was_stopped_is_no_change(status: str) -> None:
    keys = four_keys([ended("success", 10), ended(status, 20)], 30)
    assert (keys.changes, keys.failures, keys.unrestored) == (1, 0, 0)


def test_a_deploy_that_never_touched_what_serves_is_no_change() -> None:
    keys = four_keys([ended("success", 10), ended("failed", 20, touched=False)], 30)
    assert (keys.changes, keys.failures, keys.unrestored) == (1, 0, 0)


def test_a_success_that_was_taken_back_failed_once_however_often_it_was_tried() -> None:
    back = [ended("failed", 20, kind="rollback"), ended("success", 30, kind="rollback")]
    keys = four_keys([ended("success", 10), *back], 30)
    assert (keys.changes, keys.failures, keys.unrestored) == (1, 1, 0)
    assert keys.restore_seconds == (30 - 17) * 60


def test_a_failure_lasts_until_the_next_success_of_the_same_target() -> None:
    other = ended("success", 12, environment="staging")
    past = [ended("rollback_failed", 10), other, ended("failed", 15), ended("success", 25)]
    keys = four_keys(past, 30)
    assert (keys.restored, keys.restore_seconds, keys.unrestored) == (1, 15 * 60, 0)


def test_a_deploy_that_went_back_by_itself_was_bad_at_most_since_it_began() -> None:
    keys = four_keys([ended("rolled_back", 10)], 30)
    assert (keys.restored, keys.restore_seconds, keys.unrestored) == (1, 120, 0)


def test_what_no_success_followed_is_unrestored() -> None:
    keys = four_keys([ended("interrupted", 10), ended("rolled_back", 20)], 30)
    assert (keys.restored, keys.restore_seconds, keys.unrestored) == (0, None, 1)


def test_clocks_that_differ_make_no_negative_time() -> None:
    keys = four_keys([ended("success", 10, created_at=11 * MINUTE)], 30)
    assert keys.lead_seconds == 0
