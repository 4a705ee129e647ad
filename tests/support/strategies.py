"""A store, hosts with two slots and scripted verbs: what tests of strategies begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fraisier.domain.catalogue import Host, Proxy
from fraisier.domain.deployment import Deployment
from fraisier.domain.plan import Work
from fraisier.domain.strategy import StrategyConfig
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.worker import Worker
from support.fakes import Inventories, Repositories, begin, joined, make_catalogue, make_target
from support.moving import ABLE, MovingRunner
from support.records import open_records

TWO, THREE = ("web-1", "web-2"), ("web-1", "web-2", "web-3")
CANARY = ({"weight": 10, "pause": 30}, {"weight": 50, "pause": 30})
HELD = ({"weight": 10, "pause": "resume"},)
PROXIES = Proxy(app_port=9000, hosts=(Host("lb-1", "lb-1"), Host("lb-2", "lb-2")))


class World:
    """A store, hosts with two colours, and the verbs. v1 serves on all of them."""

    def __init__(self, folder: Path, *hosts: str, bad: Any = None, **target: Any) -> None:
        self.store = open_records(folder / "test.db")
        self.runner = MovingRunner(bad)
        self.target = make_target(*hosts, **{"proxy": Proxy(), "strategy": "canary", **target})
        self.catalogue = make_catalogue(self.target, ABLE)
        self.deployments = Deployments(self.catalogue, self.store, Repositories(), Inventories())
        self.member = joined(self.store)
        self.worker = Worker(self.catalogue, self.store, self.runner, self.member)
        self.cancel = False
        self.runner.serving = dict.fromkeys([host.name for host in self.target.hosts], "v1")

    def deploy(self, version: str = "v2", **more: Any) -> Deployment:
        """Deploy a version to its end."""
        wish = Wish("api", "production", "cli:test", version, **more)
        asked = self.deployments.deploy(wish, self.member.id)
        return self.worker.carry_out(asked, lambda _events: None, lambda: self.cancel, print)

    def rollback(self) -> Deployment:
        """Roll back to the last other good version."""
        wish = Wish("api", "production", "cli:test")
        asked = self.deployments.rollback(wish, self.member.id)
        return self.worker.carry_out(asked, lambda _events: None, lambda: self.cancel, print)

    def request_cancel(self, _work: Work | None = None) -> None:
        """Cancel what runs."""
        self.cancel = True

    def steps(self, *verbs: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the verbs that were run, or only these, each with its hosts."""
        done = [(w.verb, tuple(host.name for host in w.hosts)) for w in self.runner.works]
        return [step for step in done if not verbs or step[0] in verbs]

    def types(self, deployment: Deployment) -> list[str]:
        """Return the types of a deployment's events."""
        return [event.type for event in self.store.events(deployment.id)]


def canary(*, steps: Any = CANARY) -> dict[str, Any]:
    """Return what makes a target's canary have these steps."""
    return {"strategy_config": StrategyConfig(canary=steps)}


def at(verb: str, do: Callable[[Work], Any]) -> Callable[[Work], None]:
    """Return a hook that does something as soon as a verb is asked for."""
    return lambda work: do(work) if work.verb == verb else None


def behind(folder: Path, *hosts: str, **more: Any) -> World:
    """Return a world whose proxies run on hosts of their own."""
    return World(folder, *hosts, **{"strategy": "rolling", "proxy": PROXIES, **more})


def dead(world: World) -> Deployment:
    """Return a deployment whose worker has died."""
    asked = world.deployments.deploy(Wish("api", "production", "cli:test", "v2"))
    return begin(world.store, asked.id)
