"""Whether a deployment may begin: freezes, windows, and what goes past them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fraisier.domain.catalogue import Target
from fraisier.domain.errors import Frozen, OutsideWindow
from fraisier.domain.freeze import Freeze, goes_past, stop_of
from fraisier.domain.windows import Window
from support.fakes import make_target

HOUR = 3_600 * 1_000_000
NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()) * 1_000_000  # a Monday
CLOSED = (Window((0,), "14:00", "15:00"),)


def frozen(**more: Any) -> Freeze:
    """Return a freeze of everything, without an end."""
    values = {"fraise": "*", "environment": "*", "reason": "sales", "by": "cli:ana"}
    values |= {"starts_at": NOON - HOUR, "id": "frz_1", "created_at": NOON - HOUR}
    return Freeze(**{**values, **more})


@pytest.mark.parametrize(
    ("freeze", "holds"),
    [
        (frozen(), True),
        (frozen(fraise="api"), True),
        (frozen(fraise="ap*"), True),
        (frozen(fraise="a?i", environment="production"), True),
        (frozen(fraise="web"), False),
        (frozen(fraise="API"), False),
        (frozen(environment="staging"), False),
        (frozen(starts_at=NOON + 1), False),
        (frozen(starts_at=NOON), True),
        (frozen(ends_at=NOON + 1), True),
        (frozen(ends_at=NOON), False),
        (frozen(lifted_at=NOON - 1), False),
    ],
)
def test_a_freeze_holds_its_targets_during_its_time(freeze: Freeze, holds: bool) -> None:
    assert (stop_of(make_target(), [freeze], NOON) is not None) is holds


def test_a_refusal_names_the_freeze_its_end_and_the_ways_past_it() -> None:
    stop = stop_of(make_target(), [frozen(ends_at=NOON + HOUR)], NOON)
    assert stop is not None
    error = stop.refusal()
    assert isinstance(error, Frozen)
    assert error.code == "frozen"
    assert "frz_1 until 2026-03-02 13:00 UTC: sales (cli:ana)" in error.message
    for way in ("fraisier unfreeze frz_1", "--break-glass REASON", "rollback"):
        assert way in error.hint


def test_of_several_freezes_the_one_that_ends_last_is_named() -> None:
    short, open_ = frozen(ends_at=NOON + 1), frozen(id="frz_2")
    stop = stop_of(make_target(), [short, open_], NOON)
    assert stop is not None
    assert (stop.freeze, stop.until) == ("frz_2", None)
    assert "until it is lifted" in stop.reason


def test_outside_of_its_windows_a_request_is_refused_or_waits_as_configured() -> None:
    refused = stop_of(make_target(deploy_windows=CLOSED), [], NOON)
    assert refused is not None
    assert not refused.waits
    assert isinstance(refused.refusal(), OutsideWindow)
    assert "opens at 2026-03-02 14:00 UTC" in refused.reason
    waits = stop_of(make_target(deploy_windows=CLOSED, outside_windows="wait"), [], NOON)
    assert waits is not None
    assert waits.waits
    assert stop_of(make_target(deploy_windows=CLOSED), [], NOON + 2 * HOUR) is None


def test_a_freeze_counts_before_a_window_that_would_let_wait() -> None:
    target = make_target(deploy_windows=CLOSED, outside_windows="wait")
    stop = stop_of(target, [frozen()], NOON)
    assert stop is not None
    assert not stop.waits


def test_rollbacks_and_broken_glass_go_past_everything() -> None:
    assert goes_past("rollback", {})
    assert goes_past("deploy", {"break_glass": "it burns"})
    assert not goes_past("deploy", {"force": True})


def test_a_target_comes_back_from_its_snapshot_with_its_windows() -> None:
    target = make_target(deploy_windows=CLOSED, outside_windows="wait")
    assert Target.from_json(target.as_json()) == target
    old = {k: v for k, v in make_target().as_json().items() if "window" not in k}
    assert Target.from_json(old) == make_target()
