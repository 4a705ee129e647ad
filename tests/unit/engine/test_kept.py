"""Which configuration judges a release that is gone back to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.deployment import Status
from fraisier.domain.errors import StoreUnavailable
from fraisier.domain.outcome import HostOutcome
from fraisier.engine import patience
from fraisier.engine.deployments import Deployments
from fraisier.engine.worker import Worker
from support.fakes import Inventories, Repositories, make_catalogue
from support.moving import ABLE
from support.strategies import TWO, World, canary

OLD = {"health_check": {"type": "http", "url": "/health"}, "min_healthy_time": 1}
NEW = {"health_check": {"type": "http", "url": "/gone"}, "min_healthy_time": 9}
PLAIN: dict[str, Any] = {"strategy": "rolling", "proxy": None}


def edit(world: World, service: dict[str, Any], **more: Any) -> None:
    """Let the target be configured otherwise from now on."""
    world.target = replace(world.target, service=service, **more)
    world.catalogue = make_catalogue(world.target, ABLE)
    world.deployments = Deployments(world.catalogue, world.store, Repositories(), Inventories())
    world.worker = Worker(world.catalogue, world.store, world.runner, world.member)


def healthy(folder: Path, *hosts: str, **more: Any) -> World:
    """Return a world in which v1 was healthy by OLD, and NEW is configured now."""
    world = World(folder, *hosts, **{**PLAIN, "service": OLD, **more})
    world.deploy("v1")
    edit(world, NEW)
    world.runner.works.clear()
    return world


def kept(world: World) -> list[dict[str, Any]]:
    """Return what the restores said of the release to go back to, by host."""
    return [work.request["kept"] for work in world.runner.works if work.verb == "restore"]


@pytest.mark.parametrize("strategy", ["rolling", "recreate", "blue-green", "canary"])
def test_an_edited_check_does_not_judge_the_release_before(tmp_path: Path, strategy: str) -> None:
    more = {**canary(), "strategy": strategy, "proxy": World(tmp_path).target.proxy}
    folder = tmp_path / "of-its-own"
    folder.mkdir()
    world = healthy(folder, *TWO, **(more if strategy in ("blue-green", "canary") else {}))
    world.runner.bad = {"web-2": ("v2", "gate")}
    assert world.deploy("v2").status is Status.ROLLED_BACK
    said = {host: each for step in kept(world) for host, each in step.items()}
    assert said == {name: {"service": OLD, "unhealthy": "fail"} for name in TWO}
    deployed = next(work for work in world.runner.works if work.verb in ("deploy", "stage"))
    assert deployed.request["service"] == NEW
    assert "kept" not in deployed.request


def test_the_check_of_the_last_deployment_that_was_healthy_counts(tmp_path: Path) -> None:
    """It found v1 already there, and asked it by the check of then."""
    world = healthy(tmp_path)
    world.deploy("v1")
    edit(world, {**NEW, "health_check": {"type": "tcp", "port": 1}})
    world.runner.bad = {"web-1": ("v2", "gate")}
    world.deploy("v2")
    assert kept(world)[-1]["web-1"]["service"] == NEW


def test_a_deployment_that_failed_tells_nothing_of_what_is_healthy(tmp_path: Path) -> None:
    world = healthy(tmp_path)
    world.runner.bad = {"web-1": ("v2", "gate")}
    world.deploy("v2")
    world.deploy("v2")
    assert [each["web-1"]["service"] for each in kept(world)] == [OLD, OLD]


def test_a_rollback_by_a_person_takes_the_check_of_then(tmp_path: Path) -> None:
    world = healthy(tmp_path, *TWO)
    world.deploy("v2")
    assert world.rollback().status is Status.SUCCESS
    assert kept(world) == [{name: {"service": OLD, "unhealthy": "fail"}} for name in TWO]
    edit(world, {**NEW, "min_healthy_time": 3})
    world.runner.bad = {"web-1": ("v3", "gate")}
    world.deploy("v3")
    assert kept(world)[-1]["web-1"]["service"] == OLD, "the rollback itself was judged by it"


def test_a_check_that_was_not_there_is_none(tmp_path: Path) -> None:
    world = World(tmp_path, **PLAIN, service={"min_healthy_time": None})
    world.deploy("v1")
    edit(world, {**NEW, "build": ["make"], "healthy_deadline": 5})
    world.runner.bad = {"web-1": ("v2", "gate")}
    world.deploy("v2")
    assert kept(world)[-1]["web-1"]["service"] == {
        "health_check": None, "min_healthy_time": None, "build": None,
    }  # fmt: skip


def test_the_delay_of_a_deployment_is_its_own(tmp_path: Path) -> None:
    world = World(tmp_path, **PLAIN, service=OLD)
    world.deploy("v1", health_check_delay=7)
    world.runner.bad = {"web-1": ("v2", "gate")}
    world.deploy("v2")
    assert kept(world)[-1]["web-1"]["service"]["health_check"]["delay"] == 7


def test_what_nobody_deployed_only_warns(tmp_path: Path) -> None:
    """v1 was there before Fraisier: nothing tells by which check it is healthy."""
    world = World(tmp_path, **PLAIN, service=NEW)
    world.runner.bad = {"web-1": ("v2", "gate")}
    restore = world.runner._restore

    def doubtful(work: Any, name: str) -> HostOutcome:
        found = restore(work, name)
        return replace(found, result={**found.result, "gate": {"passed": False}})

    world.runner._restore = doubtful  # type: ignore[method-assign]
    ended = world.deploy("v2")
    assert kept(world) == [{"web-1": {"service": {}, "unhealthy": "warn"}}]
    assert ended.status is Status.ROLLED_BACK
    assert "warning: on web-1 it fails the current health check" in ended.reason
    assert "serves again" not in ended.reason
    assert world.store.held("api", "production") is None


def test_a_database_that_is_away_does_not_end_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)
    world = healthy(tmp_path, *TWO)
    world.runner.bad = {"web-2": ("v2", "gate")}
    found, away = world.store.deployments, [True, True]

    def deployments(wanted: Any) -> Any:
        if wanted.status == Status.SUCCESS.value and away:
            away.pop()
            raise StoreUnavailable("the server is stopping or starting", "")
        return found(wanted)

    world.store.deployments = deployments  # type: ignore[method-assign]
    assert world.deploy("v2").status is Status.ROLLED_BACK
    assert not away
    assert world.runner.serving == dict.fromkeys(TWO, "v1")


def test_another_provider_tells_nothing(tmp_path: Path) -> None:
    world = healthy(tmp_path)
    edit(world, NEW, provider="bare_metal")
    world.runner.bad = {"web-1": ("v2", "gate")}
    found = world.store.deployments

    def elsewhere(wanted: Any) -> Any:
        return [replace(d, target=replace(d.target, provider="coolify")) for d in found(wanted)]

    world.store.deployments = elsewhere  # type: ignore[method-assign]
    world.deploy("v2")
    assert kept(world)[-1]["web-1"] == {"service": {}, "unhealthy": "warn"}


def test_the_headers_of_the_kept_check_come_with_it(tmp_path: Path) -> None:
    key, other = ({"header:health_check/X-Key": {"env": name}} for name in ("OLD_KEY", "NEW_KEY"))
    gone = {"header:health_check/X-Gone": {"env": "GONE"}}
    world = healthy(tmp_path, *TWO, secrets={**key, **gone})
    edit(world, NEW, secrets=other)
    world.runner.bad = {"web-1": ("v2", "gate")}
    assert world.deploy("v2").status is Status.ROLLED_BACK
    secrets = [work.secrets for work in world.runner.works if work.verb == "restore"]
    assert secrets
    assert all(each == {**gone, **key} for each in secrets)


def test_a_person_can_roll_back_where_the_old_header_has_no_value(tmp_path: Path) -> None:
    name = "header:health_check/X-Key"
    world = healthy(tmp_path, "web-1", secrets={name: {"env": "OLD_KEY"}})
    edit(world, NEW, secrets={name: {"env": "NEW_KEY"}})
    assert world.deploy("v2").status is Status.SUCCESS
    assert world.rollback().status is Status.SUCCESS
    work = next(each for each in world.runner.works if each.verb == "restore")
    assert (work.secrets[name], work.secrets_required) == ({"env": "OLD_KEY"}, False)
