"""Deliveries of git hosts in each database: however often one comes, it is dealt with once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from werkzeug.datastructures import Headers

from fraisier.domain.errors import KeyReused, NotFound
from fraisier.domain.ids import now
from fraisier.domain.incoming import (
    IncomingFilter,
    IncomingStatus,
    NewIncoming,
    Outcome,
)
from fraisier.domain.ports import Filter
from fraisier.domain.push import DeployOn, GitHost, Listening, Push
from fraisier.domain.secret import Secret, SecretReference
from fraisier.engine.deployments import Deployments
from fraisier.engine.pushes import Pushes, incoming_json
from fraisier.store import SqlStore
from fraisier.webhooks.incoming import Intake
from support.fakes import Inventories, Repositories, make_catalogue, make_target
from support.pushing import SECRET, SHA, delivery

PUSH = Push("my-org/my-api", ("https://x/y",), "branch", "maïn", SHA, "é", ("a", "b"))
NEW = NewIncoming("github", "id-1", "0" * 64, "push", "trace_1", (PUSH,))
COPIES = 100


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    opened = SqlStore.open(database_url, pool=20)
    yield opened
    opened._engine.dispose()


def test_a_delivery_is_recorded_once(store: SqlStore) -> None:
    first = store.receive(NEW)
    assert (first.status, first.pushes) == (IncomingStatus.RECEIVED, (PUSH,))
    assert store.receive(replace(NEW, trace_id="other")) == first
    with pytest.raises(KeyReused, match="id-1"):
        store.receive(replace(NEW, digest="1" * 64))
    assert store.receive(replace(NEW, provider="gitea")).id != first.id
    assert store.count_incoming(IncomingFilter("github")) == 1


def test_the_first_to_settle_is_believed(store: SqlStore) -> None:
    found = store.receive(NEW)
    outcome = Outcome("api", "production", "dep_1")
    settled = store.settle(found.id, IncomingStatus.TRIGGERED, "", [outcome])
    assert settled.outcomes == (outcome,)
    assert store.settle(found.id, IncomingStatus.IGNORED, "late", []) == settled
    assert store.unsettled(now() + 1) == []


def test_what_nobody_dealt_with_is_found(store: SqlStore) -> None:
    found = store.receive(NEW)
    store.receive(NewIncoming("github", "id-2", "0" * 64, "ping", "t", pong=True))
    assert store.unsettled(found.received_at) == []
    assert store.unsettled(now() + 1) == [found]


def test_a_delivery_is_dealt_with_anew_as_another_one(store: SqlStore) -> None:
    found = store.receive(NEW)
    store.settle(found.id, IncomingStatus.IGNORED, "why", [])
    again = store.redelivered(found.id, "cli:me", "trace_2")
    assert (again.status, again.pushes, again.trace_id) == ("received", (PUSH,), "trace_2")
    assert again.id != found.id
    with pytest.raises(NotFound):
        store.redelivered("whi_x", "cli:me", "t")
    newest = store.incoming(IncomingFilter(status=IncomingStatus.RECEIVED))
    assert newest == [again]


def test_old_deliveries_go(store: SqlStore) -> None:
    store.receive(NEW)
    assert store.prune_incoming(now() - 10**9) == 0
    assert store.prune_incoming(now() + 10**9) == 1
    assert store.incoming(IncomingFilter()) == []


def test_many_copies_at_once_are_one_deployment(store: SqlStore) -> None:
    """I9: one deployment of each target, and all of them are told the same."""
    targets = [make_target(environment=name) for name in ("production", "staging")]
    catalogue = make_catalogue(targets[0])
    fraise = replace(
        catalogue.fraise("api"), targets={target.environment: target for target in targets}
    )
    source = "https://github.com/my-org/my-api"
    listening = [
        Listening("api", each.environment, source, DeployOn("main"), "github") for each in targets
    ]
    catalogue = replace(catalogue, fraises={"api": fraise}, listening=tuple(listening))
    deployments = Deployments(catalogue, store, Repositories(), Inventories())
    pushes = Pushes(catalogue, store, deployments)
    hosts = {"github": GitHost((SecretReference("env", "HOOK"),))}
    intake = Intake(hosts, lambda _: Secret(SECRET), pushes)
    body, shown = delivery("github")

    def deliver(_: int) -> object:
        found = intake.take("github", Headers(shown), "application/json", body)
        return incoming_json(found)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(deliver, range(COPIES)))
    assert all(answer == answers[0] for answer in answers)
    made = store.deployments(Filter())
    assert sorted(each.target.environment for each in made) == ["production", "staging"]
    assert {each.version for each in made} == {SHA}
    assert len({each.trace_id for each in made}) == 1
