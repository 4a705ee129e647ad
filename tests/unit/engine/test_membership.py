"""A worker's lease: renewed as soon as the database answers, and never found again once lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraisier.domain.errors import StoreUnavailable
from fraisier.domain.ids import now
from fraisier.domain.worker import NewWorker
from fraisier.engine import membership
from fraisier.engine.membership import Membership
from support.records import open_records
from support.target import until


class Clock:
    """A clock that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        """Return what it is set to."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that leases are trusted by."""
    found = Clock()
    monkeypatch.setattr(membership, "clock", found)
    return found


@pytest.fixture
def member(tmp_path: Path) -> Membership:
    """Return a worker that has joined, without the thread that renews its lease."""
    found = Membership(open_records(tmp_path / "records.db"), NewWorker("me", "serve", {}, 1))
    found.join()
    return found


def test_a_lease_that_lapsed_stays_lost_though_the_database_would_renew_it(
    member: Membership, clock: Clock
) -> None:
    # what it held was stopped meanwhile: to go on would tell that as cancelled
    member.join()
    first, clock.now = member.id, clock.now + 19.9
    assert member.valid()
    clock.now += 0.2
    member.renew()
    assert not member.valid()
    member.join()
    assert member.valid()
    assert member.id != first
    assert [each.id for each in member._store.workers()] == [member.id], "others may take over"


def test_a_renewal_counts_from_when_it_began(
    member: Membership, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    member.join()
    beat = member._store.beat

    def slow(*arguments: Any) -> bool:
        clock.now += 15
        return beat(*arguments)

    monkeypatch.setattr(member._store, "beat", slow)
    began = clock.now
    member.renew()
    assert member.until() == began + 20


def test_a_renewal_that_failed_is_tried_again_at_once(
    member: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "BEAT", 1 / 3000)
    monkeypatch.setattr(membership, "RETRY_SECONDS", 0.001)
    tried: list[str] = []
    beat = member._store.beat

    def away(*arguments: Any) -> bool:
        tried.append(member.id)
        if len(tried) in range(2, 9):
            raise StoreUnavailable("the database is starting up")
        return beat(*arguments)

    monkeypatch.setattr(member._store, "beat", away)
    member.keep()
    until(lambda: len(tried) > 9)
    assert member.valid()
    member.leave()


def test_an_outage_of_three_quarters_of_the_trust_is_survived_wherever_it_begins() -> None:
    assert 15 + 30 * membership.BEAT + 2 * membership.RETRY_SECONDS < 30 * membership.SELF_FENCE


def test_a_clock_that_is_wrong_is_warned_of_once(
    member: Membership, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(membership, "BEAT", 1 / 30_000)
    monkeypatch.setattr(membership, "COMPARE_SECONDS", 0.0)
    seen: list[int] = []

    def behind() -> int:
        seen.append(now())
        return now() - 600_000_000

    monkeypatch.setattr(member._store, "now", behind)
    member.keep()
    until(lambda: len(seen) > 3)
    member.leave()
    told = [each.getMessage() for each in caplog.records if "clock" in each.getMessage()]
    assert len(told) == 1
    assert "600 s ahead of" in told[0]


def test_a_lease_is_renewed_before_a_claim_where_it_is_late(
    member: Membership, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    member.join()
    renewed: list[float] = []
    beat = member._store.beat

    def count(*arguments: Any) -> bool:
        renewed.append(clock.now)
        return beat(*arguments)

    monkeypatch.setattr(member._store, "beat", count)
    member.renew_if_late()
    clock.now += 15
    member.renew_if_late()
    member.renew_if_late()
    assert renewed == [clock.now]
    assert member.until() == clock.now + 20
