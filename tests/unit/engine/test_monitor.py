"""Looking at what is deployed beside the queue: when, by whom, and what is left alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fraisier.domain.catalogue import Catalogue, Fraise, Target
from fraisier.domain.deployment import Placement, Status
from fraisier.domain.event import Fact
from fraisier.domain.health import Monitoring
from fraisier.domain.ports import NewDeployment
from fraisier.engine.checkup import Checkups
from fraisier.engine.monitor import AGAIN_SECONDS, Monitor
from support.fakes import PROVIDER, ScriptedRunner, begin, make_target
from support.records import open_records

WATCHED = make_target("web-1", "web-2", monitoring=Monitoring(30, failure_threshold=1))


class World:
    """A store with deployed targets, scripted hosts, and a clock that tests set."""

    def __init__(self, folder: Path, *targets: Target) -> None:
        self.store = open_records(folder / "records.db")
        self.targets = targets
        self.runner = ScriptedRunner()
        self.now = 1000.0
        for target in targets:
            begun = begin(self.store, self.ask(target))
            found = [Placement(host.name, 1, "r1", "v1", True, 1) for host in target.hosts]
            self.store.record(begun, [Fact("log.line", None, {"text": "x"})], found=found)
            self.store.finish(begun, Status.SUCCESS, "")

    def ask(self, target: Target) -> str:
        new = NewDeployment("deploy", target, "v1", None, "rolling", "t")
        return self.store.request(new).id

    def monitor(self, **labels: str) -> Monitor:
        named = {t.fraise: Fraise(t.fraise, t.type, "", {t.environment: t}) for t in self.targets}
        catalogue = Catalogue("fraises.yaml", named, {"bare_metal": PROVIDER})
        checkups = Checkups(catalogue, self.store, catalogue.target, lambda: self.runner)
        return Monitor(catalogue, self.store, checkups, labels, lambda: self.now)

    @property
    def looks(self) -> int:
        return len(self.runner.works)

    def states(self, fraise: str = "api") -> dict[str, str]:
        found = self.store.health(fraise).get((fraise, "production"), [])
        return {one.host: one.health.value for one in found}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, WATCHED)


def test_a_look_is_one_run_for_all_hosts_and_the_next_is_due_after_the_interval(
    world: World,
) -> None:
    monitor = world.monitor()
    world.runner.unwell = {"web-2"}
    monitor.round()
    assert world.states() == {"web-1": "healthy", "web-2": "unhealthy"}
    world.now += 29
    monitor.round()
    assert world.looks == 1


def test_another_process_does_not_look_as_well(world: World) -> None:
    world.monitor().round()
    world.monitor().round()
    assert world.looks == 1


def test_two_threads_of_one_process_take_a_target_once(world: World) -> None:
    monitor, inside, go = world.monitor(), threading.Event(), threading.Event()

    def hold(_work: object) -> None:
        inside.set()
        assert go.wait(60)

    world.runner.before_step = hold
    first = threading.Thread(target=monitor.round)
    first.start()
    assert inside.wait(60)
    monitor.round()
    go.set()
    first.join()
    assert world.looks == 1


def test_a_target_that_is_deployed_to_is_left_alone_and_looked_at_soon_after(world: World) -> None:
    begun = begin(world.store, world.ask(WATCHED))
    monitor = world.monitor()
    monitor.round()
    assert world.looks == 0
    world.store.finish(begun, Status.SUCCESS, "")
    world.now += AGAIN_SECONDS
    monitor.round()
    assert world.looks == 1


def test_what_is_not_monitored_or_is_for_other_workers_is_not_looked_at(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        replace(WATCHED, fraise="quiet", monitoring=Monitoring()),
        replace(WATCHED, fraise="far", region="moon"),
        replace(WATCHED, fraise="near", region="earth"),
    )
    world.monitor(region="earth").round()
    assert (world.looks, world.states("near")) == (1, {"web-1": "healthy", "web-2": "healthy"})
    assert world.states("far") == world.states("quiet") == {}


def test_a_look_that_breaks_off_records_nothing_and_is_not_silent(world: World) -> None:
    monitor = world.monitor()

    def broken(_work: object) -> None:
        raise ZeroDivisionError

    world.runner.before_step = broken
    with pytest.raises(ZeroDivisionError):
        monitor.round()
    assert world.states() == {}
