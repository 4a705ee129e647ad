"""How hosts are split into batches, and which strategies a provider carries."""

from __future__ import annotations

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.planning import (
    batch_size,
    batches,
)
from fraisier.domain.errors import UsageError
from fraisier.domain.plan import check_strategy, way_back, way_out
from fraisier.domain.strategy import StrategyConfig, canonical_strategy
from support.fakes import PROVIDER, make_target


@pytest.mark.parametrize(
    ("max_parallel", "hosts", "size"),
    [(1, 3, 1), (2, 3, 2), (9, 3, 3), ("50%", 3, 1), ("67%", 3, 2), ("100%", 3, 3), ("1%", 3, 1)],
)
def test_a_batch_is_at_least_one_host_and_at_most_all(
    max_parallel: int | str, hosts: int, size: int
) -> None:
    assert batch_size(max_parallel, hosts) == size


def test_rolling_keeps_the_order_and_recreate_takes_all_at_once() -> None:
    assert batches("rolling", "abcde", 2) == [["a", "b"], ["c", "d"], ["e"]]
    assert batches("recreate", "abc", 1) == [["a", "b", "c"]]


def test_a_strategy_is_known_by_either_spelling_and_refused_when_it_cannot_be_carried() -> None:
    assert canonical_strategy("blue_green") == "blue-green"
    assert check_strategy(PROVIDER, "rolling") == "rolling"
    with pytest.raises(UsageError, match="unknown strategy"):
        check_strategy(PROVIDER, "yolo")
    with pytest.raises(UsageError, match="cannot carry") as caught:
        check_strategy(PROVIDER, "canary")
    assert "recreate, rolling" in caught.value.hint


def test_the_last_step_of_a_plan_is_marked() -> None:
    plan = way_out(make_target("a", "b"), "rolling")
    assert [(step.verb, step.hosts, step.last) for step in plan.steps] == [
        ("preflight", ("a", "b"), False),
        ("deploy", ("a",), False),
        ("deploy", ("b",), True),
    ]


def test_the_way_back_begins_with_the_failed_hosts_and_keeps_the_pace() -> None:
    target = make_target(*"abcde", strategy_config=StrategyConfig(max_parallel=2))
    steps = way_back(target, "rolling", ["e"], ["a", "b", "c"])
    assert [step.hosts for step in steps] == [("e",), ("c", "b"), ("a",)]
    assert way_back(target, "rolling", [], []) == []
