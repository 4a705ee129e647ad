"""Each strategy with each failure, on scripted hosts: how it ends, and what serves afterwards.

tests/acceptance has one real story for each strategy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.deployment import Status
from fraisier.engine.recovery import settle
from support.strategies import TWO, World, at, canary, dead

SWITCHING, STAGING = ("recreate", "rolling"), ("blue-green", "canary")
STRATEGIES = (*SWITCHING, *STAGING)
#: The verb by which each strategy puts a release on a host.
VERBS = {"recreate": "deploy", "rolling": "deploy", "blue-green": "stage", "canary": "stage"}


def make_world(folder: Path, strategy: str, **more: Any) -> World:
    """Return a world of two hosts on which v1 serves."""
    folder.mkdir(exist_ok=True)
    return World(folder, *TWO, **{**canary(), "strategy": strategy, **more})


def require_as_before(world: World) -> None:
    """Fail unless v1 serves everywhere and nothing of v2 is left."""
    assert world.runner.serving == dict.fromkeys(TWO, "v1")
    assert world.runner.staged == {}
    assert not any(world.runner.weights.values()), "only what is staged has a weight here"
    assert world.store.held("api", "production") is None


@pytest.mark.parametrize("failure", ["build", "gate", "unreachable", "lost"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whichever_host_fails_all_serve_what_they_did(
    tmp_path: Path, strategy: str, failure: str
) -> None:
    for guilty in TWO:
        world = make_world(tmp_path / guilty, strategy, bad={guilty: ("v2", failure)})
        ended = world.deploy()
        require_as_before(world)
        assert ended.reason.startswith(f"{guilty}: ")
        alone = guilty == "web-1" and strategy != "recreate" and failure in ("build", "unreachable")
        assert ended.status is (Status.FAILED if alone else Status.ROLLED_BACK)
        assert ("no host was changed" in ended.reason) is alone
        kept = "the earlier release has served all the while on" in ended.reason
        assert kept is (strategy in STAGING and not alone), "what is staged gets no request"
        assert world.steps("shift", "promote") == []
        probed = [hosts for verb, hosts in world.steps() if verb == "probe"]
        assert probed == ([(guilty,)] if failure == "lost" else []), "before it is brought back"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failure_on_the_first_host_leaves_the_second_alone_unless_all_change_at_once(
    tmp_path: Path, strategy: str
) -> None:
    world = make_world(tmp_path, strategy, bad={"web-1": ("v2", "gate")})
    world.deploy()
    touched = {name for verb, hosts in world.steps(VERBS[strategy]) for name in hosts}
    assert touched == (set(TWO) if strategy == "recreate" else {"web-1"})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_host_that_cannot_go_back_is_named_and_locks_the_target(
    tmp_path: Path, strategy: str
) -> None:
    for guilty in TWO:
        world = make_world(tmp_path / guilty, strategy, bad={guilty: ("v2", "stuck")})
        ended = world.deploy()
        assert ended.status is Status.ROLLBACK_FAILED
        assert ended.reason.endswith(f"not restored: {guilty}")
        assert world.store.held("api", "production") == ended.id
        (innocent,) = set(TWO) - {guilty}
        assert world.runner.serving[innocent] == "v1"
        serves = "v1" if strategy in STAGING else "v2"
        assert world.runner.serving[guilty] == serves, "what is staged never served"


@pytest.mark.parametrize("guilty", TWO)
def test_a_canary_goes_back_on_all_hosts_whichever_fails_its_analysis(
    tmp_path: Path, guilty: str
) -> None:
    for weight in (10, 50):
        world = make_world(tmp_path / str(weight), "canary")
        world.runner.shifts[(guilty, weight)] = "analysis_failed"
        ended = world.deploy()
        assert ended.status is Status.ROLLED_BACK
        assert f"{guilty}: analysis failed [analysis_failed]" in ended.reason
        assert world.steps("restore", "promote") == [("restore", TWO)]
        require_as_before(world)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_cancel_in_whichever_step_leaves_what_served(tmp_path: Path, strategy: str) -> None:
    verbs = ["preflight", VERBS[strategy], *(["shift"] if strategy == "canary" else [])]
    for verb in verbs:
        world = make_world(tmp_path / verb, strategy)
        world.runner.before_step = at(verb, world.request_cancel)
        ended = world.deploy()
        assert ended.status is Status.CANCELLED, verb
        require_as_before(world)
        assert world.runner.marked_bad == set(), verb


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_recovery_stops_what_a_dead_worker_left_and_locks_the_target(
    tmp_path: Path, strategy: str
) -> None:
    world = make_world(tmp_path, strategy)
    world.runner.weights = dict.fromkeys(TWO, 10) if strategy == "canary" else {}
    left = dead(world)
    settle(left, world.catalogue, world.store, world.runner, lambda: True, "its worker died")
    (probe,) = world.runner.works
    assert (probe.verb, probe.request["stop"]) == ("probe", True)
    assert not any(world.runner.weights.values()), "the traffic goes back"
    assert world.store.deployment(left.id).status is Status.INTERRUPTED
    assert world.store.held("api", "production") == left.id


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rollback_brings_every_host_back_without_a_shift(tmp_path: Path, strategy: str) -> None:
    world = make_world(tmp_path, strategy)
    assert world.deploy("v1.1").status is Status.SUCCESS
    assert world.deploy("v2.2").status is Status.SUCCESS
    world.runner.works.clear()
    ended = world.rollback()
    assert (ended.status, ended.version) == (Status.SUCCESS, "v1.1")
    assert world.runner.serving == dict.fromkeys(TWO, "v1.1")
    assert world.steps("stage", "shift", "promote") == []
