"""A command that works alone: a database that is away for a moment neither ends nor cancels it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.deployment import Status
from fraisier.domain.errors import StoreUnavailable
from fraisier.domain.ports import NewDeployment
from fraisier.engine import patience, worker
from fraisier.engine.worker import Worker
from fraisier.store import SqlStore
from support.fakes import ScriptedRunner, joined, make_catalogue, make_target
from support.records import open_records

READS = ("events", "deployment", "blocker", "waiting", "placements", "installation")


@pytest.mark.parametrize("call", [*READS, "claim"])
def test_what_cannot_be_read_for_a_moment_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    for module, name in ((worker, "POLL_SECONDS"), (patience, "PAUSE_SECONDS")):
        monkeypatch.setattr(module, name, 0.001)
    store, target = open_records(tmp_path / "records.db"), make_target()
    member = joined(store)
    first, second = [store.deployment(_ask(store, target, member.id)) for _ in ("first", "second")]
    real, away = getattr(store, call), [True, True]

    def answers(*arguments: Any, **options: Any) -> Any:
        if away:
            away.pop()
            raise StoreUnavailable("the database is starting up")
        return real(*arguments, **options)

    monkeypatch.setattr(store, call, answers)
    work = Worker(make_catalogue(target), store, ScriptedRunner(), member)
    waited: list[str] = []

    def waiting(waits: Any) -> None:
        """Let the first one begin once the second is known to wait for it."""
        waited.append(waits.reason)
        if len(waited) == 1:
            work.carry_out(first, _unheard, _never, _unheard)

    ended = work.carry_out(second, _unheard, _never, waiting)
    assert not away
    assert ended.status is Status.SUCCESS
    assert store.deployment(first.id).status is Status.SUCCESS


def test_once_the_lease_is_over_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_records(tmp_path / "records.db")
    member = joined(store)
    asked = store.deployment(_ask(store, make_target(), member.id))

    def away(*_: Any) -> Any:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(store, "claim", away)
    monkeypatch.setattr(member, "valid", lambda: False)
    work = Worker(make_catalogue(make_target()), store, ScriptedRunner(), member)
    with pytest.raises(StoreUnavailable):
        work.carry_out(asked, _unheard, _never, _unheard)


def _ask(store: SqlStore, target: Any, owner: str) -> str:
    new = NewDeployment("deploy", target, "v1", None, "rolling", "cli:me")
    return store.request(new, owner).id


def _unheard(_told: object) -> None:
    return


def _never() -> bool:
    return False
