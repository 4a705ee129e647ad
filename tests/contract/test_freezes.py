"""Freezes, deploy windows and the audit trail on every database that stands behind the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest

from fraisier.domain.audit import FORBIDDEN, AuditFilter
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import FreezeNotFound, Frozen, OutsideWindow, Refused
from fraisier.domain.freeze import Freeze, NewFreeze
from fraisier.domain.ids import now
from fraisier.domain.ports import NewDeployment
from fraisier.domain.token import Scope, Token
from fraisier.domain.windows import Window
from fraisier.domain.worker import NewWorker, Pause
from fraisier.store import SqlStore, freezes
from fraisier.store.database import open_database
from support.fakes import make_target

HOUR = 3_600 * 1_000_000
GLASS = {"options": {"break_glass": "it burns"}}
#: Open on the day after the Thursday on which the epoch began, and each week since.
FRIDAYS = {"deploy_windows": (Window((4,), "00:00", "24:00"),)}
THURSDAY, FRIDAY = 0, 24 * HOUR


class Icy(SqlStore):
    """A store with a worker, and a clock of its own for what may begin."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(open_database(url))
        self.me = self.join(NewWorker("me", "serve", {}, 4), 300)
        self._patch = monkeypatch

    def at(self, moment: int) -> None:
        """Put the clock to a moment."""
        self._patch.setattr(freezes, "utc_now", lambda _connection: moment)

    def ask(self, **more: Any) -> Deployment:
        """Record a request."""
        target = make_target(**more.pop("target", {}))
        values = {"kind": "deploy", "version": "v1", "requested_version": None}
        values |= {"strategy": "rolling", "triggered_by": "tok_1", **more}
        return self.request(NewDeployment(target=target, **values))

    def next(self) -> str | None:
        """Claim the next one and return its id."""
        found = self.claim_next(self.me, lambda _target: True)
        return found.id if found else None

    def freeze(self, **more: Any) -> Freeze:
        """Freeze everything, from now on."""
        values = {"fraise": "*", "environment": "*", "reason": "sales", "by": "cli:ana"}
        return self.add_freeze(NewFreeze(**{**values, "starts_at": now(), **more}))

    def trail(self) -> list[tuple[str, str, str, str]]:
        """Return the audit trail, oldest first."""
        rows = self.audit(AuditFilter())[::-1]
        return [(row.actor, row.action, row.subject, row.reason) for row in rows]


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Icy]:
    """Return a store of each kind in turn."""
    opened = Icy(database_url, monkeypatch)
    yield opened
    opened._engine.dispose()


def test_a_frozen_target_refuses_and_nothing_is_recorded(store: Icy) -> None:
    found = store.freeze(fraise="ap*", environment="production")
    assert store.freezes() == [found]
    with pytest.raises(Frozen, match=f"frozen by {found.id} until it is lifted: sales"):
        store.ask()
    assert store.ask(target={"environment": "staging"}).status is Status.PENDING
    assert [action for _, action, _, _ in store.trail()] == ["freeze", "deploy"]


def test_a_request_is_refused_before_its_repository_is_asked(store: Icy) -> None:
    target = make_target()
    store.require_open(target, past=False)
    store.freeze()
    with pytest.raises(Frozen):
        store.require_open(target, past=False)
    store.require_open(target, past=True)
    asked = store.ask(options={"break_glass": "it burns"})
    claimed = store.claim(asked.id, store.me)
    assert claimed is not None
    store.finish(claimed, Status.INTERRUPTED, "its worker died")
    with pytest.raises(Refused, match=f"held since {asked.id}"):
        store.require_open(target, past=True)


def test_tokens_are_shown_by_their_names(store: Icy) -> None:
    made = Token("tok_1", "ci", Scope.ADMIN, now(), "cli:ana")
    store.add_token(made, "d" * 64)
    found = store.freeze(by="tok_1")
    assert (found.by, found.by_name) == ("tok_1", "ci")
    with pytest.raises(Frozen, match=r"sales \(ci\)"):
        store.ask()
    lifted = store.lift_freeze(found.id, "tok_1")
    assert (lifted.by_name, lifted.lifted_by_name) == ("ci", "ci")
    assert store.freeze().by_name is None
    store.pause("tok_1", "sales")
    assert store.paused() == Pause("tok_1", "sales", ANY, "ci")
    names = [row.actor_name for row in store.audit(AuditFilter())]
    assert names == ["ci", None, "ci", "ci", None]
    for name in ("ci", "tok_1"):
        assert store.count_audit(AuditFilter(actor=name)) == 3
        assert len(store.audit(AuditFilter(actor=name))) == 3


def test_what_was_accepted_before_waits_and_goes_on_when_the_freeze_is_lifted(
    store: Icy,
) -> None:
    asked = store.ask()
    found = store.freeze()
    assert store.next() is None
    assert store.claim(asked.id, store.me) is None
    waits = store.waiting(asked.id)
    assert waits is not None
    assert waits.blocked_by == found.id
    assert "sales" in waits.reason
    lifted = store.lift_freeze(found.id, "tok_2")
    assert (lifted.lifted_by, store.freezes(), store.freezes(over=True)) == ("tok_2", [], [lifted])
    assert store.next() == asked.id


def test_a_freeze_begins_and_ends_by_itself(store: Icy) -> None:
    asked, moment = store.ask(), now()
    store.freeze(starts_at=moment + HOUR, ends_at=moment + 2 * HOUR)
    store.at(moment + HOUR)
    assert store.next() is None
    with pytest.raises(Frozen):
        store.ask()
    store.at(moment + 2 * HOUR)
    assert store.next() == asked.id


def test_a_freeze_is_lifted_once(store: Icy) -> None:
    found = store.freeze()
    store.lift_freeze(found.id, "tok_2")
    with pytest.raises(Refused, match="over already"):
        store.lift_freeze(found.id, "tok_2")
    with pytest.raises(FreezeNotFound):
        store.lift_freeze("frz_x", "tok_2")
    told = "* *: sales"
    assert store.trail() == [
        ("cli:ana", "freeze", found.id, told), ("tok_2", "unfreeze", found.id, told),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["rollback", "deploy"])
def test_what_goes_past_a_freeze_takes_the_place_of_what_it_holds(store: Icy, kind: str) -> None:
    """Later, what was held would undo it."""
    held = store.ask()
    store.freeze()
    past = store.ask(kind=kind, **({} if kind == "rollback" else GLASS))
    assert store.next() == past.id
    assert store.deployment(held.id).status is Status.SUPERSEDED
    assert past.id in store.deployment(held.id).reason


def test_a_rollback_that_waited_behind_what_is_then_frozen_goes_on(store: Icy) -> None:
    held, back = store.ask(), store.ask(kind="rollback")
    assert "accepted before it" in str(store.waiting(back.id))
    store.freeze()
    waits = store.waiting(back.id)
    assert waits is not None
    assert held.id not in waits.reason
    assert store.claim(back.id, store.me) is not None


def test_a_busy_target_takes_a_rollback_where_only_what_is_frozen_waits(store: Icy) -> None:
    busy = {"target": {"on_busy": "reject"}}
    store.ask(**busy)
    with pytest.raises(Refused, match="busy"):
        store.ask(kind="rollback", **busy)
    store.freeze()
    assert store.ask(kind="rollback", **busy).status is Status.PENDING


def test_what_runs_goes_on_in_a_freeze(store: Icy) -> None:
    running = store.ask()
    assert store.next() == running.id
    store.freeze()
    store.finish(store.deployment(running.id), Status.SUCCESS, "")
    assert store.deployment(running.id).status is Status.SUCCESS


def test_broken_glass_is_in_the_options_the_events_and_the_trail(store: Icy) -> None:
    found = store.freeze()
    past = store.ask(**GLASS)
    assert past.options["break_glass"] == "it burns"
    events = store.events(past.id)
    assert [event.type for event in events] == ["deployment.queued", "deployment.break_glass"]
    assert (events[1].data["by"], events[1].data["reason"]) == ("tok_1", "it burns")
    assert found.id in events[1].data["past"]
    assert store.trail()[-1] == ("tok_1", "deploy.break_glass", past.id, "it burns")


def test_outside_of_its_windows_a_target_refuses(store: Icy) -> None:
    store.at(THURSDAY)
    with pytest.raises(OutsideWindow, match="opens at 1970-01-02 00:00 UTC"):
        store.ask(target=FRIDAYS)
    assert store.ask(target=FRIDAYS, **GLASS).status is Status.PENDING
    store.at(FRIDAY)
    assert store.ask(target=FRIDAYS).status is Status.PENDING


def test_a_target_that_waits_begins_in_its_next_window(store: Icy) -> None:
    store.at(THURSDAY)
    asked = store.ask(target={**FRIDAYS, "outside_windows": "wait"})
    assert store.next() is None
    waits = store.waiting(asked.id)
    assert waits is not None
    assert "deploy windows (fri 00:00-24:00 UTC)" in waits.reason
    store.at(FRIDAY)
    assert store.next() == asked.id


def test_what_was_accepted_in_a_window_that_closes_waits_for_the_next(store: Icy) -> None:
    store.at(FRIDAY)
    asked = store.ask(target=FRIDAYS)
    store.at(FRIDAY + 24 * HOUR)
    assert store.next() is None
    store.at(FRIDAY + 7 * 24 * HOUR)
    assert store.next() == asked.id


def test_each_request_has_one_row_in_the_trail_and_a_repeat_none(store: Icy) -> None:
    """S13."""
    keyed = {"idempotency_key": "k", "fingerprint": "f"}
    first = store.ask(**keyed, options={"reason": "a fix"})
    assert store.ask(**keyed).id == first.id
    back = store.ask(kind="rollback")
    on = store.ask(options={"promoted_from": "dep_1"})
    assert store.trail() == [
        ("tok_1", "deploy", first.id, "a fix"),
        ("tok_1", "rollback", back.id, ""),
        ("tok_1", "promote", on.id, ""),
    ]


def test_the_trail_is_read_in_pages_and_by_who_what_and_when(store: Icy) -> None:
    ids = [store.ask(triggered_by=f"tok_{n % 2}").id for n in range(4)]
    store.add_audit("tok_0", "deploy.break_glass", "api production", "please", FORBIDDEN)
    rows = store.audit(AuditFilter())
    assert rows[0].result == "forbidden"
    assert [row.subject for row in rows[1:]] == ids[::-1], "newest first"
    assert [row.subject for row in store.audit(AuditFilter(limit=2, offset=3))] == ids[1::-1]
    assert store.count_audit(AuditFilter(limit=2)) == 5
    assert store.count_audit(AuditFilter(actor="tok_1")) == 2
    assert store.count_audit(AuditFilter(action="deploy", subject=ids[0])) == 1
    assert store.count_audit(AuditFilter(since=rows[0].at + 1)) == 0
