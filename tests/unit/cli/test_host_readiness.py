"""What `doctor` says of the hosts of a target: what a deployment's preflight would."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraisier.cli.host_readiness import host_readiness
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.engine.hosts import Hosts
from support.fakes import PROVIDER, make_catalogue, make_target
from support.records import open_records

COLLECTION = {verb: f"fraisier.deploy.{verb}" for verb in ("preflight", "probe", "app")}
OWN = {"preflight": "preflight.yml", "probe": "probe.yml"}
ERROR = {"code": "user_missing", "message": "there is no user", "hint": "fraisier setup api"}
SLOW = {"program": "/bin/bash", "seconds": 2.0, "bare": 0.01, "files": ["~/.bashrc"]}


class Answering:
    """A runner: `failing` hosts fail the preflight, `silent` ones cannot be reached."""

    def __init__(self, failing: str = "", silent: str = "", broken: bool = False) -> None:
        self.failing, self.silent, self.broken = failing.split(), silent.split(), broken
        self.works: list[Work] = []

    def run(self, work: Work, on_facts: object, cancelled: object) -> Outcome:
        """Answer for every host of the work."""
        self.works.append(work)
        if self.broken:
            return Outcome("broken", {}, {"code": "ansible", "message": "it broke"})
        return Outcome("done", {host.name: self._host(work.verb, host.name) for host in work.hosts})

    def _host(self, verb: str, name: str) -> HostOutcome:
        if name in self.silent:
            return HostOutcome(name, "unreachable", {}, {"code": "x", "message": "no route"})
        if verb == "app":
            return HostOutcome(name, "ok", {"app": {"clock": time.time(), "shell": SLOW}})
        if name in self.failing:
            return HostOutcome(name, "failed", {}, ERROR)
        return HostOutcome(name, "ok", {})


def found(
    tmp_path: Path, runner: Answering, playbooks: dict[str, str]
) -> list[tuple[str, bool, str, str]]:
    """Return what is said of three hosts."""
    target = make_target("a", "b", "c")
    catalogue = make_catalogue(target, replace(PROVIDER, playbooks=playbooks))
    asked: Any = runner
    hosts = Hosts(catalogue, open_records(tmp_path / "records.db"), asked)
    return list(host_readiness(hosts, target, "f" * 40, lambda: False))


def test_it_is_the_preflight_of_a_deployment_that_changes_nothing(tmp_path: Path) -> None:
    runner = Answering(failing="b", silent="c")
    told = found(tmp_path, runner, COLLECTION)
    preflight, app = runner.works
    assert (preflight.verb, preflight.playbook) == ("preflight", "fraisier.deploy.preflight")
    assert (preflight.request["check"], preflight.request["version"]) == (True, "f" * 40)
    assert preflight.timeout == make_target().strategy_config.progress_deadline
    assert [host.name for host in app.hosts] == ["a", "b"], "c does not answer"
    assert [(name, ok) for name, ok, _, _ in told] == [
        ("host a", True), ("host a", False), ("host b", False), ("host b", False),
        ("host c", False),
    ]  # fmt: skip
    assert told[2][2:] == (ERROR["message"], ERROR["hint"]), "in the words of the deployment"
    assert "login shell" in told[1][2]
    assert told[4][2] == "no route"


def test_a_provider_of_ones_own_is_only_contacted(tmp_path: Path) -> None:
    """Whether its preflight changes nothing in check mode is not known."""
    runner = Answering()
    told = found(tmp_path, runner, OWN)
    assert [work.verb for work in runner.works] == ["probe"]
    assert all(ok for _, ok, _, _ in told)
    assert not any("deployment" in detail for _, _, detail, _ in told)


@pytest.mark.parametrize("playbooks", [COLLECTION, OWN])
def test_a_run_without_an_answer_is_not_green(tmp_path: Path, playbooks: dict[str, str]) -> None:
    ((name, ok, detail, _),) = found(tmp_path, Answering(broken=True), playbooks)
    assert (name, ok, detail) == ("hosts", False, "it broke")
