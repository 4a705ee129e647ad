"""Work on hosts outside a deployment: what is asked of the runner, and when it is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.catalogue import Catalogue, Fraise
from fraisier.domain.deployment import Status
from fraisier.domain.errors import Refused, UsageError
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.domain.ports import NewDeployment
from fraisier.domain.strategy import StrategyConfig
from fraisier.engine.hosts import Hosts, answers, host_named, of_hosts
from fraisier.store import SqlStore
from support.fakes import PROVIDER, begin, make_target
from support.records import open_records

TARGET = replace(
    make_target("web-1", "web-2", "web-3", secrets={"TOKEN": {"env": "TOKEN"}}),
    strategy_config=StrategyConfig(max_parallel=2),
)
CATALOGUE = Catalogue(
    "fraises.yaml",
    {"api": Fraise("api", "api", "", {"production": TARGET})},
    {"bare_metal": replace(PROVIDER, playbooks={**PROVIDER.playbooks, "app": "the_app"})},
)


class Answering:
    """A runner whose hosts are all well, but those in `bad`."""

    def __init__(self, *bad: str) -> None:
        self.bad = bad
        self.works: list[Work] = []

    def prepare(self, inventory: object = None) -> None:
        """Need nothing."""

    def run(self, work: Work, on_facts: object, cancelled: object) -> Outcome:
        """Answer for every host of the work."""
        self.works.append(work)
        return Outcome("done", {host.name: self._host(host.name) for host in work.hosts})

    def _host(self, name: str) -> HostOutcome:
        if name in self.bad:
            error = {"code": "start_failed", "message": "no", "hint": "look"}
            return HostOutcome(name, "failed", {"changed": True}, error)
        return HostOutcome(name, "ok", {"app": {"ok": True}, "gate": {"passed": True}, "fence": 0})


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    return open_records(tmp_path / "records.db")


def test_a_verb_is_run_with_the_service_and_what_is_asked_and_records_nothing(
    store: SqlStore,
) -> None:
    runner = Answering()
    Hosts(CATALOGUE, store, runner).run(TARGET, "app", 5, app={"action": "status"})
    (work,) = runner.works
    assert (work.playbook, work.timeout, work.secrets_required) == ("the_app", 5, False)
    assert work.request["app"] == {"action": "status"}
    assert work.request["installation"] == store.installation()
    assert work.request["fence"] == {}
    assert work.secrets == TARGET.secrets, "the runner hides them in what hosts say"
    assert store.placements("api", "production") == {}


@pytest.mark.parametrize(
    ("verb", "asked", "required"),
    [
        ("verify", {}, True),
        ("app", {"app": {"action": "restart"}}, True),
        ("app", {"app": {"action": "logs"}}, False),
        ("probe", {}, False),
    ],
)
def test_a_health_check_is_not_made_without_the_headers_it_needs(
    store: SqlStore, verb: str, asked: dict[str, Any], required: bool
) -> None:
    runner = Answering()
    target = replace(TARGET, secrets={"header:health_check/X-Api-Key": {"env": "KEY"}})
    Hosts(CATALOGUE, store, runner).run(target, verb, 5, **asked)
    Hosts(CATALOGUE, store, runner).run(TARGET, verb, 5, **asked)
    assert [work.secrets_required for work in runner.works] == [required, False]


def test_a_verb_that_the_provider_does_not_have_is_refused_with_those_it_has(
    store: SqlStore,
) -> None:
    runner = Answering()
    hosts = Hosts(CATALOGUE, store, runner)
    assert not hosts.can(TARGET, "setup")
    with pytest.raises(UsageError, match="setup") as caught:
        hosts.run(TARGET, "setup", 5)
    assert "probe" in caught.value.hint
    assert runner.works == []


def test_hosts_are_taken_in_turn_and_the_first_bad_ones_are_the_last(store: SqlStore) -> None:
    def turns(*bad: str) -> list[tuple[str, ...]]:
        found = Hosts(CATALOGUE, store, Answering(*bad)).in_turn(TARGET, "app", 5)
        return [tuple(outcome.hosts) for outcome in found]

    assert turns() == [("web-1", "web-2"), ("web-3",)]
    assert turns("web-2") == [("web-1", "web-2")]


def test_nothing_is_begun_while_a_deployment_is_at_work(store: SqlStore) -> None:
    hosts = Hosts(CATALOGUE, store, Answering())
    new = NewDeployment("deploy", TARGET, "v1", None, "rolling", "cli:somebody")
    deployment = store.request(new)
    hosts.require_idle(TARGET)
    begun = begin(store, deployment.id)
    with pytest.raises(Refused, match=deployment.id) as caught:
        hosts.require_idle(TARGET)
    assert "cli:somebody" in caught.value.hint
    store.finish(begun, Status.SUCCESS, "")
    hosts.require_idle(TARGET)


def test_an_answer_is_the_part_asked_for_with_its_gate_and_its_error(store: SqlStore) -> None:
    outcome = Hosts(CATALOGUE, store, Answering("web-2")).run(TARGET, "app", 5)
    first, second, _third = answers(outcome, "app")
    assert first == {
        "host": "web-1", "state": "ok", "error": None, "ok": True, "gate": {"passed": True},
    }  # fmt: skip
    assert (second["state"], second["error"]["code"]) == ("failed", "start_failed")
    assert answers(outcome)[0]["fence"] == 0


def test_a_result_replaces_neither_the_host_nor_its_state_nor_its_error() -> None:
    told = {"app": {"ok": True, "host": "web-2", "state": 7, "error": "text"}}
    (found,) = answers(Outcome("done", {"web-1": HostOutcome("web-1", "ok", told)}), "app")
    assert found == {"host": "web-1", "state": "ok", "error": None, "ok": True}


def test_a_host_is_found_by_its_name_or_named_almost() -> None:
    assert of_hosts(TARGET, [host_named(TARGET, "web-2")]).hosts == (TARGET.hosts[1],)
    with pytest.raises(UsageError, match='did you mean "web-3"') as caught:
        host_named(TARGET, "web-33")
    assert "web-1, web-2, web-3" in caught.value.hint


def test_an_answer_for_other_hosts_than_those_of_the_work_is_no_answer(store: SqlStore) -> None:
    class Elsewhere(Answering):
        def run(self, work: Work, on_facts: object, cancelled: object) -> Outcome:
            return Outcome("done", {"web": self._host("web"), "web-2": self._host("web-2")})

    found = Hosts(CATALOGUE, store, Elsewhere()).run(TARGET, "probe", 5)
    assert {name: host.state for name, host in found.hosts.items()} == {
        "web-1": "unknown", "web-2": "ok", "web-3": "unknown",
    }  # fmt: skip
    assert not found.ok
    assert Outcome("broken", {}).of(["web-1"]).hosts == {}
