"""The plan of a change, as it is written down: the engine's and the playbooks' are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.filter.plan import FilterModule
from fraisier.domain.plan import way_back, way_out
from fraisier.domain.strategy import StrategyConfig
from support.fakes import make_target

GOLDEN = json.loads((Path(__file__).parent / "plans.json").read_text())


def name_of(case: dict[str, Any]) -> str:
    """Return how a case is called in a report."""
    return f"{len(case['hosts'])} hosts, {case['strategy']}, {case['max_parallel']}, {case['verb']}"


@pytest.mark.parametrize("case", GOLDEN["out"], ids=name_of)
def test_the_engine_and_the_playbooks_plan_what_is_written_down(case: dict[str, Any]) -> None:
    pace = StrategyConfig(max_parallel=case["max_parallel"])
    target = make_target(*case["hosts"], strategy_config=pace)
    engine = way_out(target, case["strategy"], case["verb"]).as_json()
    assert json.loads(json.dumps(engine)) == case["plan"]
    plan = FilterModule().filters()["plan"]
    assert (
        plan(case["hosts"], case["strategy"], str(case["max_parallel"]), case["verb"])
        == (case["plan"])
    )


@pytest.mark.parametrize("case", GOLDEN["back"])
def test_the_way_back_is_what_is_written_down(case: dict[str, Any]) -> None:
    pace = StrategyConfig(max_parallel=case["max_parallel"])
    target = make_target("a", "b", "c", "d", strategy_config=pace)
    steps = way_back(target, case["failed"], case["moved"])
    assert [[step.verb, list(step.hosts), step.last] for step in steps] == case["steps"]
