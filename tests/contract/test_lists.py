"""Lists of deployments in each database: complete, in order, and unmoved by what is added."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import update

from fraisier.domain.paging import Place
from fraisier.domain.ports import Filter, NewDeployment
from fraisier.store import SqlStore, lists
from fraisier.store.tables import deployments
from support.fakes import make_target

PLACES = list(product(("api", "wéb"), ("production", "staging")))


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    opened = SqlStore.open(database_url)
    yield opened
    opened._engine.dispose()


def request(store: SqlStore, fraise: str, environment: str) -> str:
    target = replace(make_target(), fraise=fraise, environment=environment)
    return store.request(NewDeployment("deploy", target, "v", "v", "rolling", "me")).id


@pytest.fixture
def made(store: SqlStore) -> list[str]:
    """Return the ids of deployments of four targets, newest first; pairs have the same time."""
    ids = [request(store, *PLACES[number % 4]) for number in range(24)]
    with store._engine.begin() as connection:
        for number, each in enumerate(ids):
            row = update(deployments).where(deployments.c.id == each)
            connection.execute(row.values(created_at=1000 + number // 2))
    pairs = [sorted(ids[at : at + 2]) for at in range(0, 24, 2)]
    return [each for pair in pairs for each in pair][::-1]


def walked(store: SqlStore, wanted: Filter) -> list[str]:
    """Return what the pages of a list hold, one after the other."""
    found: list[str] = []
    while page := store.deployments(wanted):
        found += [each.id for each in page]
        wanted = replace(wanted, place=Place(page[-1].created_at, page[-1].id))
    return found


@pytest.mark.parametrize("many", [1, 50])
def test_pages_hold_all_that_is_wanted_once_and_in_order(
    store: SqlStore, made: list[str], many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MANY", many)
    of = {each: store.deployment(each).target for each in made}
    for fraise, environment in product((None, "api", "none"), (None, "staging")):
        right = [
            each
            for each in made
            if fraise in (None, of[each].fraise) and environment in (None, of[each].environment)
        ]
        wanted = Filter(fraise, environment, limit=5)
        assert walked(store, wanted) == right
        assert walked(store, replace(wanted, oldest_first=True)) == right[::-1]
        assert store.count(wanted) == len(right)
        shown = store.deployments(replace(wanted, offset=3))
        assert [each.id for each in shown] == right[3:8]


def test_what_is_added_or_pruned_meanwhile_moves_no_page(store: SqlStore, made: list[str]) -> None:
    first = store.deployments(Filter(limit=5))
    place = Place(first[-1].created_at, first[-1].id)
    request(store, "api", "production")
    after = store.deployments(Filter(limit=5, place=place))
    assert [each.id for each in after] == made[5:10]
    gone = store.deployments(Filter(limit=5, place=replace(place, id="dep_0")))
    assert [each.id for each in gone][-3:] != [], "a place that is gone still has a time"
    assert all(each.created_at < place.at for each in gone)


def test_times_bound_a_list(store: SqlStore, made: list[str]) -> None:
    wanted = Filter(since=1002, until=1004, limit=100)
    assert [each.created_at for each in store.deployments(wanted)] == [1003, 1003, 1002, 1002]
    assert store.count(wanted) == 4


def test_counting_stops_where_it_is_told_to(store: SqlStore, made: list[str]) -> None:
    assert store.count(Filter(), 10) == 10
    assert store.count(Filter("api"), 100) == 12
    assert store.count(Filter(status="success"), 10) == 0
