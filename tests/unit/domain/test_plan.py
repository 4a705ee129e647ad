"""The plan of a change, as it is written down: the engine's and the playbooks' are the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.fraisier.deploy.plugins.filter.plan import FilterModule
from fraisier.domain.catalogue import Host, Proxy, Target
from fraisier.domain.errors import UsageError
from fraisier.domain.plan import check_plan, way_back, way_out
from fraisier.domain.strategy import StrategyConfig
from support.fakes import PROVIDER, make_target

GOLDEN = json.loads((Path(__file__).parent / "plans.json").read_text())
STEPS = ({"weight": 10, "pause": 30},)
LOCAL, ELSEWHERE = Proxy(), Proxy(app_port=80, hosts=(Host("lb", "lb"),))
MOVES = ("stage", "shift", "promote", "drain", "undrain")
ABLE = replace(
    PROVIDER,
    playbooks={**PROVIDER.playbooks, **{verb: verb for verb in MOVES}},
    strategies=("recreate", "rolling", "blue-green", "canary"),
    proxy=True,
)


def name_of(case: dict[str, Any]) -> str:
    """Return how a case is called in a report."""
    behind = ", behind a proxy" if "proxies" in case else ""
    named = f"{case['strategy']}, {case['max_parallel']}, {case['verb']}{behind}"
    return f"{len(case['hosts'])} hosts, {named}"


def target_of(case: dict[str, Any], *hosts: str) -> Target:
    """Return the target that a case is about."""
    lists = {name: tuple(case.get(name, ())) for name in ("canary", "analysis")}
    pace = StrategyConfig(max_parallel=case["max_parallel"], **lists)
    machines = tuple(Host(name, name) for name in case.get("proxies", ()))
    return make_target(*hosts, strategy_config=pace, proxy=Proxy(app_port=80, hosts=machines))


@pytest.mark.parametrize("case", GOLDEN["out"], ids=name_of)
def test_the_engine_plans_what_is_written_down(case: dict[str, Any]) -> None:
    engine = way_out(target_of(case, *case["hosts"]), case["strategy"], case["verb"]).as_json()
    assert json.loads(json.dumps(engine)) == case["plan"]


@pytest.mark.parametrize(
    "case",
    [each for each in GOLDEN["out"] if not {"proxies", "canary"} & set(each)],
    ids=name_of,
)
def test_the_playbooks_plan_the_same_or_say_who_can(case: dict[str, Any]) -> None:
    plan = FilterModule().filters()["plan"]
    asked = (case["hosts"], case["strategy"], str(case["max_parallel"]), case["verb"])
    if case["strategy"] in ("rolling", "recreate"):
        assert plan(*asked) == case["plan"]
    else:
        with pytest.raises(AnsibleFilterError, match="fraisier deploy"):
            plan(*asked)


@pytest.mark.parametrize("case", GOLDEN["back"])
def test_the_way_back_is_what_is_written_down(case: dict[str, Any]) -> None:
    target = target_of(case, "a", "b", "c", "d")
    steps = way_back(target, case.get("strategy", "rolling"), case["failed"], case["moved"])
    planned = [[step.verb, list(step.hosts), step.last, step.args] for step in steps]
    assert planned == case["steps"]


@pytest.mark.parametrize(
    ("strategy", "proxy", "steps", "says"),
    [
        ("canary", None, STEPS, "has none"),
        ("blue-green", ELSEWHERE, (), "has hosts of its own"),
        ("blue-green", Proxy("none"), (), "is another's"),
        ("canary", LOCAL, (), "canary has no steps for api production"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused_with_the_reason(
    strategy: str, proxy: Proxy | None, steps: Any, says: str
) -> None:
    pace = StrategyConfig(canary=steps)
    target = make_target(proxy=proxy, strategy_config=pace)
    with pytest.raises(UsageError, match=says) as refused:
        check_plan(ABLE, target, strategy)
    assert refused.value.hint
    assert check_plan(ABLE, target, strategy, "restore") == strategy


def test_a_plan_needs_a_provider_that_can_carry_it_out() -> None:
    target = make_target(proxy=LOCAL, strategy_config=StrategyConfig(canary=STEPS))
    assert check_plan(ABLE, target, "blue_green") == "blue-green"
    assert check_plan(ABLE, target, "canary") == "canary"
    with pytest.raises(UsageError, match="cannot stand behind a proxy"):
        check_plan(replace(ABLE, proxy=False), target, "rolling")
    unable = replace(ABLE, playbooks={**PROVIDER.playbooks, "stage": "s", "promote": "p"})
    assert check_plan(unable, target, "blue-green") == "blue-green"
    with pytest.raises(UsageError, match='needs "shift"'):
        check_plan(unable, target, "canary")
    with pytest.raises(UsageError, match='needs "drain"'):
        check_plan(unable, make_target(proxy=ELSEWHERE), "rolling")


def test_a_proxy_comes_back_from_its_snapshot_and_an_old_snapshot_has_none() -> None:
    pace = StrategyConfig(canary=STEPS, analysis=({"name": "e", "type": "proxy"},))
    proxy = Proxy(
        names=("a.example.com",), app_port=8000, tls=True,
        hosts=(Host("lb", "10.0.0.1"),), undrain_command=("back",),
    )  # fmt: skip
    target = make_target(proxy=proxy, strategy_config=pace)
    assert Target.from_json(json.loads(json.dumps(target.as_json()))) == target
    old = make_target().as_json()
    del old["proxy"]
    for name in ("canary", "analysis", "rollback_deadline"):
        del old["strategy_config"][name]
    assert Target.from_json(json.loads(json.dumps(old))) == make_target()


def test_a_playbook_is_told_of_the_proxy_and_of_the_servers_behind_one_elsewhere() -> None:
    hosts = (Host("web-1", "10.0.0.1"), Host("web-2", "x", private_address="10.0.0.2"))
    assert Proxy().as_request(hosts)["local"] is True
    assert Proxy().as_request(hosts)["servers"] == {}
    told = ELSEWHERE.as_request(hosts)
    assert told["local"] is False
    assert told["servers"]["web-2"] == {"address": "10.0.0.2", "port": 80}
    assert Proxy("none").as_request(hosts)["local"] is False
