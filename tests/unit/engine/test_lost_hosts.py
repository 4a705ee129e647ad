"""Hosts that Fraisier loses: what is recorded of them, and how long they are tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.deployment import Deployment, Placement, Status
from fraisier.domain.outcome import HostOutcome
from fraisier.domain.plan import Work
from fraisier.engine.ledger import HostState
from support.strategies import THREE, TWO, World, at, canary

SINGLE = ("web-1",)


def placed(world: World, host: str = "web-1") -> Placement:
    """Return what the records say that a host runs."""
    return world.store.placements("api", "production")[host]


def deployed(folder: Path, *hosts: str, **more: Any) -> World:
    """Return a world of which the records know that v1 serves."""
    world = World(folder, *hosts, **{"strategy": "rolling", "proxy": None, **more})
    assert world.deploy("v1").status is Status.SUCCESS
    world.runner.works.clear()
    return world


def losing(world: World, host: str, verb: str = "deploy") -> Deployment:
    """Deploy v2, and lose a host for good right after the verb was done there."""
    gone: set[str] = set()
    if verb in ("deploy", "stage"):
        world.runner.bad = {host: ("v2", "lost")}
    world.runner.before_step = at(verb, lambda w: gone.update(h.name for h in w.hosts))
    world.runner.absent = lambda name: name == host and bool(gone) and _done(world, verb, name)
    return world.deploy()


def _done(world: World, verb: str, name: str) -> bool:
    """Return whether a verb was asked of a host, and something else since."""
    return world.runner.works[-1].verb != verb and name in [
        host.name for work in world.runner.works if work.verb == verb for host in work.hosts
    ]


@pytest.mark.parametrize("hosts", [SINGLE, TWO])
@pytest.mark.parametrize("automatic", [True, False])
def test_a_host_lost_after_the_switch_is_unknown(
    tmp_path: Path, hosts: tuple[str, ...], automatic: bool
) -> None:  # I14
    """It runs v2 now, which was never recorded; v1 is only what it told last."""
    world = deployed(tmp_path, *hosts, auto_rollback=automatic)
    ended = losing(world, hosts[-1])
    assert world.runner.serving[hosts[-1]] == "v2"
    assert ended.status is (Status.ROLLBACK_FAILED if automatic else Status.INTERRUPTED)
    assert f"what {hosts[-1]} serves is unknown" in ended.reason
    assert (placed(world, hosts[-1]).version, placed(world, hosts[-1]).known) == ("v1", False)
    if len(hosts) > 1 and automatic:
        assert (placed(world, hosts[0]).version, placed(world, hosts[0]).known) == ("v1", True)


def test_a_host_lost_in_its_first_deployment_is_unknown(tmp_path: Path) -> None:
    world = World(tmp_path, strategy="rolling", proxy=None)
    ended = losing(world, "web-1")
    assert ended.status is Status.ROLLBACK_FAILED
    assert (placed(world).version, placed(world).known) == (None, False)


def test_a_host_lost_in_a_rollback_by_a_person_is_unknown(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.deploy("v2")

    def lose(work: Work) -> None:
        world.runner.absent = lambda _name: True

    world.runner._restore = lambda _work, name: (  # type: ignore[method-assign]
        lose(_work) or HostOutcome(name, "unknown", {}, {"code": "contact_lost", "message": ""})
    )
    ended = world.rollback()
    assert ended.status is Status.ROLLBACK_FAILED
    assert "what web-1 serves is unknown" in ended.reason
    assert placed(world).known is False


@pytest.mark.parametrize("verb", ["stage", "shift", "promote"])
def test_a_host_lost_in_a_step_of_a_canary_is_unknown(tmp_path: Path, verb: str) -> None:
    world = World(tmp_path, *TWO, **canary())
    if verb == "shift":
        world.runner.shifts[("web-2", 10)] = "unknown"
    promote = world.runner._promote

    def lost(name: str) -> HostOutcome:
        promote(name)
        return HostOutcome(name, "unknown", {}, {"code": "contact_lost", "message": ""})

    if verb == "promote":
        world.runner._promote = lost  # type: ignore[method-assign]
    ended = losing(world, "web-2", verb)
    assert ended.status is Status.ROLLBACK_FAILED
    assert "what web-2 serves is unknown" in ended.reason
    assert placed(world, "web-2").known is False
    assert (placed(world, "web-1").version, placed(world, "web-1").known) == ("v1", True)


def test_a_host_that_is_seen_again_is_known(tmp_path: Path) -> None:
    world = deployed(tmp_path, *TWO)
    world.runner.bad = {"web-2": ("v2", "lost")}
    ended = world.deploy()
    assert ended.status is Status.ROLLED_BACK
    assert "unknown" not in ended.reason
    found = [placed(world, name) for name in TWO]
    assert [(each.version, each.known) for each in found] == [("v1", True)] * 2


def test_a_host_that_fell_silent_while_it_was_looked_at_is_unknown(tmp_path: Path) -> None:
    world = deployed(tmp_path, *THREE)
    world.runner.silent = {"web-2"}
    world.runner.before_step = at("preflight", world.request_cancel)
    ended = world.deploy()
    assert ended.status is Status.INTERRUPTED
    assert "unseen: web-2; what web-2 serves is unknown" in ended.reason
    assert [placed(world, name).known for name in THREE] == [True, False, True]


def test_the_next_deployment_that_reaches_the_host_knows_it_again(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    losing(world, "web-1")
    world.runner.absent, world.runner.bad = (lambda _name: False), {}
    world.store.unlock("api", "production", "looked", "cli:test")
    assert world.deploy("v3").status is Status.SUCCESS
    assert (placed(world).version, placed(world).known) == ("v3", True)


NEW = {"id": "2", "version": "v2", "status": "prepared", "deployment": "dep_1"}
OLD = {"id": "1", "version": "v1", "status": "good", "deployment": "dep_0"}


def walked(*steps: tuple[str, str, str, dict[str, Any]]) -> HostState:
    """Return a host's state after steps: verb, state, code of the error, result."""
    state = HostState("web-1", expected=1, release="1", version="v1", good=True)
    for verb, came_to, code, result in steps:
        error = {"code": code, "message": ""} if code else None
        state = state.after(verb, HostOutcome("web-1", came_to, result, error), "dep_1")
    return state


LOST = ("deploy", "unknown", "contact_lost", {})


@pytest.mark.parametrize(
    ("after", "known"),
    [
        (("restore", "unreachable", "host_unreachable", {}), False),
        (("restore", "failed", "runner_failed", {}), False),
        (("restore", "failed", "broken", {}), False),
        (("restore", "failed", "fence_stale", {"changed": False}), False),
        (("probe", "unreachable", "host_unreachable", {}), False),
        (("restore", "failed", "coolify_unreachable", {"release": NEW, "fence": 2}), False),
        (("restore", "failed", "docker_unavailable", {"release": NEW, "fence": 2}), False),
        (("restore", "failed", "health_check_failed", {"release": OLD, "fence": 2}), True),
        (("restore", "ok", "", {"release": OLD, "fence": 2}), True),
        (("probe", "ok", "", {"release": NEW}), True),
        (("probe", "ok", "", {}), True),
    ],
)
def test_only_what_a_host_told_makes_it_known_again(after: Any, known: bool) -> None:
    found = walked(LOST, after).placement()
    assert found is not None
    assert found.known is known


@pytest.mark.parametrize("code", ["coolify_unreachable", "coolify_silent", "docker_unavailable"])
def test_what_cannot_be_seen_after_a_switch_is_unknown(code: str) -> None:
    """The module ran, but Coolify or the Docker engine did not answer it any more."""
    switched = walked(("deploy", "failed", code, {"release": NEW, "fence": 2, "switched": True}))
    refused = walked(("deploy", "failed", code, {"release": OLD, "fence": 2, "switched": False}))
    assert [each.lost for each in (switched, refused)] == [True, False]
