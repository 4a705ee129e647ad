"""What every database must hold of health and of figures: one suite for all three."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fraisier.domain.deployment import SERVED_ON, UNTOUCHED, Status
from fraisier.domain.ids import now
from fraisier.domain.ports import NewDeployment
from fraisier.store import SqlStore
from fraisier.store.database import open_database
from support.fakes import begin, make_target


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """Return a store on one database of each kind in turn."""
    opened = SqlStore(open_database(database_url))
    yield opened
    opened._engine.dispose()


def end(store: SqlStore, status: Status, reason: str = "", environment: str = "production") -> str:
    """Record a deployment that ends so; return its id."""
    target = make_target(environment=environment)
    asked = store.request(NewDeployment("deploy", target, "v1", None, "rolling", "t"))
    store.finish(begin(store, asked.id), status, reason)
    return asked.id


def test_what_ended_is_found_by_its_end_the_last_first_and_no_more_than_asked(store) -> None:
    before = now()
    end(store, Status.SUCCESS)
    end(store, Status.FAILED, f"web-1: no space; {UNTOUCHED}")
    end(store, Status.ROLLED_BACK, f"web-1: bad; the earlier release {SERVED_ON} on web-1")
    end(store, Status.ROLLED_BACK, "web-1: bad; the earlier release serves again on web-1")
    end(store, Status.SUCCESS, environment="staging")
    store.request(NewDeployment("deploy", make_target(), "v1", None, "rolling", "t"))
    found = store.ended(before, 100, "api", "production")
    assert [(one.status, one.touched) for one in found] == [
        ("rolled_back", True), ("rolled_back", False), ("failed", False), ("success", True),
    ]  # fmt: skip
    assert all(one.seconds is not None and one.completed_at >= before for one in found)
    assert [one.environment for one in store.ended(before, 2)] == ["staging", "production"]
    assert store.ended(now() + 1, 100) == []
