"""Looking at what is deployed beside the queue: when, by whom, and what is left alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from fraisier.domain.catalogue import Catalogue, Fraise, Target
from fraisier.domain.deployment import Placement, Status
from fraisier.domain.event import Fact
from fraisier.domain.health import Monitoring
from fraisier.domain.ports import NewDeployment
from fraisier.engine.checkup import Checkups
from fraisier.engine.current import CurrentCatalogue
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

    @staticmethod
    def catalogue(*targets: Target) -> Catalogue:
        named = {t.fraise: Fraise(t.fraise, t.type, "", {t.environment: t}) for t in targets}
        return Catalogue("fraises.yaml", named, {"bare_metal": PROVIDER})

    def monitor(self, current: Catalogue | None = None, **labels: str) -> Monitor:
        catalogue = current or self.catalogue(*self.targets)
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


QUIET = replace(WATCHED, monitoring=Monitoring())


def of_one_host(name: str, interval: float) -> Target:
    """Return a monitored target whose host has its name."""
    return make_target(name, fraise=name, monitoring=Monitoring(interval))


def test_monitoring_that_is_added_changed_or_removed_holds_from_the_next_look_on(
    world: World,
) -> None:
    current = CurrentCatalogue(world.catalogue(QUIET))
    monitor = world.monitor(current)

    def looks(target: Target, seconds: float = 0.0) -> int:
        """Return how many looks there are after a change of the file, and so much time."""
        current.take(world.catalogue(target))
        world.now += seconds
        with world.store._engine.begin() as connection:
            connection.execute(text("UPDATE target_checks SET until = 0"))
        monitor.round()
        return world.looks

    assert looks(QUIET, 3600) == 0
    assert looks(WATCHED) == 1
    assert looks(WATCHED, 29) == 1
    sooner = replace(WATCHED, monitoring=Monitoring(5))
    assert looks(sooner) == 2, "its last look is longer ago than its interval is now"
    assert looks(WATCHED, 5) == 2
    assert looks(QUIET, 3600) == 2
    assert looks(WATCHED) == 3
    moved = replace(sooner, hosts=WATCHED.hosts[:1], strategy="basic")
    assert looks(moved, 5) == 4
    assert [host.name for host in world.runner.works[-1].hosts] == ["web-1"]
    assert world.states() == {"web-1": "healthy"}


def test_a_change_during_a_round_holds_for_the_looks_that_follow(tmp_path: Path) -> None:
    """One look sees one configuration, but a round of many slow ones does not see an old one."""
    world = World(tmp_path, *(of_one_host(name, 30) for name in ("a", "b", "c")))
    current = CurrentCatalogue(world.catalogue(*world.targets))
    first, *_, last = world.targets

    def change(_work: object) -> None:
        current.take(world.catalogue(last))
        assert current.target("a", "production") == first, "this look goes on as it began"
        world.runner.before_step = lambda _work: None

    world.runner.before_step = change
    world.monitor(current).round()
    assert [work.hosts[0].name for work in world.runner.works] == ["a", "c"]


def test_a_target_that_is_always_due_is_seen_once_in_a_round_and_keeps_no_other_waiting(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, of_one_host("a", 1e-6), of_one_host("b", 1e-6))
    monitor = world.monitor()

    def slow(_work: object) -> None:
        world.now += 10

    world.runner.before_step = slow
    monitor.round()
    monitor.round()
    assert [work.hosts[0].name for work in world.runner.works] == ["a", "b", "a", "b"]
