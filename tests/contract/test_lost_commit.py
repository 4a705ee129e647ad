"""A connection that breaks at COMMIT: what was done is found again, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, make_url, select

from fraisier.domain.deployment import HostRecord, Status
from fraisier.domain.event import Fact
from fraisier.domain.ports import Filter, NewDeployment
from fraisier.domain.worker import NewWorker
from fraisier.store import SqlStore
from fraisier.store.tables import audit
from support.cutting import Cutter, cutting
from support.fakes import begin, make_target


class Broken:
    """A store behind a connection that can be cut, and the same records seen directly."""

    def __init__(self, url: str, cutter: Cutter) -> None:
        through = make_url(url).set(port=cutter.port).render_as_string(hide_password=False)
        self.cut, self.direct, self.cutter = SqlStore.open(through), SqlStore.open(url), cutter

    def noted(self, action: str) -> int:
        """Return how many notes of an action the audit trail has."""
        with self.direct._transaction(reading=True) as connection:
            return connection.scalar(select(func.count()).where(audit.c.action == action)) or 0


@pytest.fixture(params=["postgresql", "mysql"])
def broken(request: pytest.FixtureRequest) -> Iterator[Broken]:
    """Return a store of each kind that has a network between it and its records."""
    servers = {"postgresql": "postgres_server", "mysql": "mariadb_server"}
    server = request.getfixturevalue(servers[request.param])
    url = server.migrated_database()
    with cutting(server.port) as cutter:
        found = Broken(url, cutter)
        yield found
        found.cut._engine.dispose()
        found.direct._engine.dispose()


def new(**more: Any) -> NewDeployment:
    """Return a request."""
    return NewDeployment("deploy", make_target(), "v1", None, "rolling", "t", **more)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_request_whose_commit_is_lost_is_one_deployment(broken: Broken, when: str) -> None:
    broken.cut.held("api", "production")  # it is connected
    broken.cutter.arm(when)
    asked = broken.cut.request(new())
    assert broken.cutter.cuts == 1
    assert [found.id for found in broken.direct.deployments(Filter())] == [asked.id]
    assert [event.sequence for event in broken.direct.events(asked.id)] == [1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_claim_whose_commit_is_lost_starts_once_and_is_held(broken: Broken, when: str) -> None:
    asked = broken.direct.request(new())
    worker = broken.cut.join(NewWorker("me", "serve", {}, 1), 30)
    broken.cutter.arm(when, skip=1)  # it looks first whether it is its turn
    claimed = broken.cut.claim(asked.id, worker)
    assert broken.cutter.cuts == 1
    assert claimed is not None
    assert claimed == broken.direct.deployment(asked.id)
    assert claimed.worker_id == worker
    types = [event.type for event in broken.direct.events(asked.id)]
    assert types == ["deployment.queued", "deployment.started"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_facts_whose_commit_is_lost_are_recorded_once(broken: Broken, when: str) -> None:  # I11
    running = begin(broken.direct, broken.direct.request(new()).id)
    broken.cut.held("api", "production")
    broken.cutter.arm(when)
    told = broken.cut.record(running, [Fact("log.line")] * 3, [HostRecord("web-1", "changed")])
    assert broken.cutter.cuts == 1
    assert [event.sequence for event in told] == [3, 4, 5]
    assert told == broken.direct.events(running.id, after=2)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_end_whose_commit_is_lost_is_one_end(broken: Broken, when: str) -> None:  # I2
    running = begin(broken.direct, broken.direct.request(new()).id)
    broken.cut.held("api", "production")
    broken.cutter.arm(when)
    told = broken.cut.finish(running, Status.FAILED, "because")
    assert broken.cutter.cuts == 1
    types = ["deployment.failed", "metrics.deployment", "deployment.completed"]
    assert [event.type for event in told] == types
    assert told == broken.direct.events(running.id, after=2)
    assert told[0].data == told[2].data
    assert told[0].data["duration_seconds"] >= 0
    assert broken.direct.deployment(running.id).status is Status.FAILED


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancel_whose_commit_is_lost_is_done_and_noted_once(broken: Broken, when: str) -> None:
    asked = broken.direct.request(new())
    broken.cut.held("api", "production")
    broken.cutter.arm(when)
    ended = broken.cut.cancel(asked.id, "tok_1")
    assert broken.cutter.cuts == 1
    assert ended.status is Status.CANCELLED
    assert broken.noted("cancel") == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_unlock_whose_commit_is_lost_says_what_held(broken: Broken, when: str) -> None:
    running = begin(broken.direct, broken.direct.request(new()).id)
    broken.direct.finish(running, Status.INTERRUPTED, "")
    broken.cut.held("api", "production")
    broken.cutter.arm(when)
    assert broken.cut.unlock("api", "production", "I looked", "me") == running.id
    assert broken.cutter.cuts == 1
    assert broken.direct.held("api", "production") is None
    assert broken.noted("unlock") == 1
