"""What every store must hold: one suite, for each database that stands behind the port."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from fraisier.domain.deployment import Deployment, HostRecord, IllegalMove, Placement, Status
from fraisier.domain.errors import (
    DeploymentNotFound,
    KeyReused,
    Refused,
    StoreError,
    TokenNotFound,
)
from fraisier.domain.event import Fact
from fraisier.domain.ports import DURATIONS, Filter, NewDeployment
from fraisier.domain.token import Scope, Token
from fraisier.store import SqlStore
from fraisier.store.database import HEAD, open_database
from fraisier.store.migrate import configuration
from fraisier.store.tables import metadata
from support.fakes import make_target


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return where the database is."""
    return f"sqlite:///{tmp_path / 'records.db'}"


@pytest.fixture
def store(url: str) -> SqlStore:
    """Return a new store."""
    return SqlStore(open_database(url))


def ask(store: SqlStore, queued: bool = False, **more: Any) -> Deployment:
    """Record a request for the one target."""
    target = make_target(**more.pop("target", {}))
    values = {"kind": "deploy", "version": "v1", "requested_version": None, "strategy": "rolling"}
    values |= {"triggered_by": "t", **more}
    return store.request(NewDeployment(target=target, **values), queued)


def begin(store: SqlStore, **more: Any) -> Deployment:
    """Record a request and start it."""
    asked = ask(store, **more)
    assert store.claim(asked.id)
    return store.deployment(asked.id)


def at_once(many: int, action: Callable[[int], Any]) -> list[Any]:
    """Do something in so many threads that begin together; return what each got."""
    barrier = threading.Barrier(many)

    def one(number: int) -> Any:
        barrier.wait()
        return action(number)

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(one, range(many)))


def audited(store: SqlStore) -> list[tuple[str, str, str]]:
    """Return who did what to what, in order."""
    query = text("SELECT actor, action, subject FROM audit ORDER BY at, id")
    with store._transaction(reading=True) as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_a_version_is_recorded_once_it_is_known(store: SqlStore) -> None:
    asked = ask(store)
    assert store.claim(asked.id)
    content = "sha256:" + "a" * 64
    store.record(asked.id, [], version=content)
    store.record(asked.id, [])
    assert store.deployment(asked.id).version == content


def test_a_request_is_recorded_with_its_configuration_and_first_event(store: SqlStore) -> None:
    asked = ask(store)
    assert store.deployment(asked.id) == asked
    assert asked.status is Status.PENDING
    assert asked.target == make_target()
    assert [event.type for event in store.events(asked.id)] == ["deployment.queued"]


def test_only_one_deployment_of_a_target_is_live_and_order_is_kept(store: SqlStore) -> None:
    first, second, third = ask(store), ask(store), ask(store)
    assert not store.claim(third.id)
    assert store.claim(first.id)
    assert not store.claim(first.id), "only one caller starts it"
    assert not store.claim(second.id)
    blocker = store.blocker(second.id)
    assert blocker is not None
    assert blocker.id == first.id
    store.finish(first.id, Status.SUCCESS, "")
    assert not store.claim(third.id)
    assert store.claim(second.id)
    assert store.deployment(second.id).status is Status.IN_PROGRESS


def test_the_database_itself_refuses_a_second_live_deployment(store: SqlStore) -> None:
    first, second = ask(store), ask(store)
    store.claim(first.id)
    statement = text("UPDATE deployments SET status = 'in_progress' WHERE id = :id")
    with pytest.raises(StoreError), store._transaction() as connection:
        connection.execute(statement, {"id": second.id})


def test_claims_from_many_threads_start_a_deployment_once(store: SqlStore) -> None:
    asked, claims = ask(store), []
    threads = [
        threading.Thread(target=lambda: claims.append(store.claim(asked.id))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims) == [False] * 7 + [True]
    types = [event.type for event in store.events(asked.id)]
    assert types == ["deployment.queued", "deployment.started"]


def test_sequences_stay_gapless_with_many_writers(store: SqlStore) -> None:
    asked = begin(store)
    facts = [Fact("log.line", "web-1", {"text": "x"})] * 3

    def write() -> None:
        for _ in range(20):
            store.record(asked.id, facts)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [event.sequence for event in store.events(asked.id)]
    assert numbers == list(range(1, 2 + 4 * 20 * 3 + 1))
    assert [event.sequence for event in store.events(asked.id, after=240)] == [241, 242]


def test_an_ended_deployment_never_changes_again(store: SqlStore) -> None:
    asked = begin(store)
    store.finish(asked.id, Status.FAILED, "because")
    with pytest.raises(IllegalMove):
        store.finish(asked.id, Status.SUCCESS, "")
    with pytest.raises(Refused):
        store.record(asked.id, [Fact("log.line")])
    assert store.deployment(asked.id).reason == "because"


def test_a_busy_target_rejects_or_supersedes_as_configured(store: SqlStore) -> None:
    running, waiting = ask(store), ask(store)
    store.claim(running.id)
    with pytest.raises(Refused, match=running.id):
        ask(store, target={"on_busy": "reject"})
    newer = ask(store, target={"on_busy": "supersede"})
    assert store.deployment(waiting.id).status is Status.SUPERSEDED
    assert store.deployment(running.id).status is Status.IN_PROGRESS
    assert store.deployment(newer.id).status is Status.PENDING


def test_the_same_key_gives_the_same_deployment_and_another_request_is_refused(
    store: SqlStore,
) -> None:
    first = ask(store, idempotency_key="k", fingerprint="f")
    again = ask(store, idempotency_key="k", fingerprint="f", version="the branch has moved on")
    assert again == first
    assert store.repeated("t", "k", "f") == first
    with pytest.raises(KeyReused, match=first.id):
        ask(store, idempotency_key="k", fingerprint="g")
    assert store.repeated("t", "other", "f") is None
    other = ask(store, idempotency_key="k", fingerprint="f", triggered_by="somebody else")
    assert other.id != first.id, "a key is its asker's own"


def test_fifty_requests_with_one_key_at_once_are_one_deployment(store: SqlStore) -> None:
    ids = at_once(50, lambda _: ask(store, idempotency_key="k", fingerprint="f").id)
    assert len(set(ids)) == 1
    assert store.count(Filter()) == 1


def test_fifty_requests_at_once_are_carried_out_in_the_order_they_were_accepted(
    store: SqlStore,
) -> None:
    at_once(50, lambda _: ask(store, queued=True))
    accepted = [deployment.id for deployment in reversed(store.deployments(Filter(limit=50)))]
    done = []
    while (claimed := store.claim_next()) is not None:
        assert store.claim_next() is None, "one attempt per target"
        store.finish(claimed.id, Status.SUCCESS, "")
        done.append(claimed.id)
    assert done == accepted
    assert len(set(done)) == 50


def test_fifty_claims_at_once_start_each_queued_deployment_once(store: SqlStore) -> None:
    asked = [ask(store, queued=True, target={"environment": f"e{n}"}).id for n in range(10)]
    claimed = [found.id for found in at_once(50, lambda _: store.claim_next()) if found]
    assert sorted(claimed) == sorted(asked)


def test_only_a_queued_deployment_is_for_any_server(store: SqlStore, url: str) -> None:
    own = ask(store)
    assert store.claim_next() is None
    queued = ask(store, queued=True)
    assert store.claim_next() is None, "it waits for the earlier one"
    store.cancel(own.id, "me")
    elsewhere = SqlStore(open_database(url), lambda _owner: True)
    assert elsewhere.abandon_dead() == [], "what nobody owns nobody's death ends"
    claimed = store.claim_next()
    assert claimed is not None
    assert (claimed.id, claimed.status) == (queued.id, Status.IN_PROGRESS)
    assert [ended.status for ended in elsewhere.abandon_dead()] == [Status.INTERRUPTED]


def test_what_waits_behind_a_held_target_waits_for_the_person_who_looks(store: SqlStore) -> None:
    running, waiting = begin(store, queued=True), ask(store, queued=True)
    store.finish(running.id, Status.ROLLBACK_FAILED, "")
    assert store.claim_next() is None
    assert not store.claim(waiting.id)
    blocker = store.blocker(waiting.id)
    assert blocker is not None
    assert blocker.id == running.id
    store.unlock("api", "production", "I looked", "me")
    assert store.claim(waiting.id)


def test_a_waiting_deployment_is_cancelled_at_once(store: SqlStore) -> None:
    asked = ask(store, queued=True)
    ended = store.cancel(asked.id, "tok_1")
    assert ended.status is Status.CANCELLED
    assert "tok_1" in ended.reason
    assert not store.claim(asked.id)
    types = [event.type for event in store.events(asked.id)]
    assert types == ["deployment.queued", "deployment.cancelled", "deployment.completed"]
    assert audited(store) == [("tok_1", "cancel", asked.id)]


def test_a_running_deployment_is_asked_to_stop_and_one_that_ended_is_not(store: SqlStore) -> None:
    asked = begin(store)
    for by in ("tok_1", "tok_2"):
        wished = store.cancel(asked.id, by)
        assert wished.status is Status.IN_PROGRESS
        assert wished.cancel_requested_by == "tok_1", "the first who asked"
    assert wished.cancel_requested_at is not None
    assert audited(store) == [("tok_1", "cancel", asked.id)]
    store.finish(asked.id, Status.SUCCESS, "")
    with pytest.raises(Refused, match="success"):
        store.cancel(asked.id, "tok_1")


def test_a_claim_and_a_cancel_at_once_never_both_win(store: SqlStore) -> None:
    for n in range(20):
        asked = ask(store, queued=True, target={"environment": f"e{n}"})
        actions = [lambda i=asked.id: store.claim(i), lambda i=asked.id: store.cancel(i, "me")]
        started, cancelled = at_once(2, lambda k, actions=actions: actions[k]())
        assert started == (cancelled.status is Status.IN_PROGRESS)


def test_what_a_dead_process_left_is_ended_and_holds_the_target(store: SqlStore, url: str) -> None:
    running, waiting = begin(store), ask(store)
    assert store.abandon_dead() == []
    after_their_death = SqlStore(open_database(url), lambda owner: owner["pid"] == os.getpid())
    ended = {d.id: d.status for d in after_their_death.abandon_dead()}
    assert ended == {running.id: Status.INTERRUPTED, waiting.id: Status.CANCELLED}
    assert store.held("api", "production") == running.id
    assert store.abandon_dead() == []


def test_what_this_process_has_begun_is_known_and_nothing_else(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = begin(store)
    ask(store, target={"environment": "staging"})
    ended = begin(store, target={"environment": "other"})
    store.finish(ended.id, Status.SUCCESS, "")
    assert store.begun_here() == [running.id]
    monkeypatch.setattr("fraisier.store.owner.this_process", lambda: {"pid": 1})
    assert store.begun_here() == []


def test_hosts_and_placements_are_kept_as_last_said(store: SqlStore) -> None:
    asked = begin(store)
    for release in ("r1", "r2"):
        record = HostRecord("web-1", "changed", release, None, {"code": "x"})
        placement = Placement("web-1", 7, release, "v1", True, 1)
        store.record(asked.id, [], [record], [placement])
    assert store.host_records(asked.id) == [record]
    assert store.placements("api", "production") == {"web-1": placement}


def test_deployments_are_listed_newest_first_and_filtered(store: SqlStore) -> None:
    first, second = ask(store), ask(store)
    store.claim(first.id)
    listed = [deployment.id for deployment in store.deployments(Filter())]
    assert listed == [second.id, first.id]
    assert [d.id for d in store.deployments(Filter(status="in_progress"))] == [first.id]
    assert store.deployments(Filter(environment="staging")) == []
    assert len(store.deployments(Filter(limit=1))) == 1


def test_a_list_can_be_paged_without_gaps_or_repeats(store: SqlStore) -> None:
    asked = [ask(store, target={"environment": f"e{n % 2}"}).id for n in range(7)]
    pages = [store.deployments(Filter(limit=3, offset=start)) for start in (0, 3, 6, 9)]
    assert [[d.id for d in page] for page in pages] == [
        asked[:3:-1], asked[3:0:-1], asked[:1], [],
    ]  # fmt: skip
    assert store.count(Filter(limit=1, offset=5)) == 7
    assert store.count(Filter(environment="e0")) == 4
    assert store.count(Filter(status="success")) == 0


def test_events_can_be_paged_and_chosen_by_type(store: SqlStore) -> None:
    asked = begin(store)
    store.record(asked.id, [Fact("log.line", None, {"text": str(n)}) for n in range(5)])
    first = store.events(asked.id, after=2, limit=2)
    assert [event.sequence for event in first] == [3, 4]
    assert [e.sequence for e in store.events(asked.id, after=4, kind="log.line")] == [5, 6, 7]
    assert store.count_events(asked.id) == 7
    assert store.count_events(asked.id, "log.line") == 5
    assert store.count_events(asked.id, "log.line", after=6) == 1


def test_what_has_ended_is_counted_by_its_labels(store: SqlStore) -> None:
    for end in (Status.SUCCESS, Status.SUCCESS, Status.ROLLED_BACK):
        store.finish(begin(store).id, end, "")
    store.cancel(ask(store, target={"environment": "staging"}).id, "me")
    begin(store)
    found = {(f.environment, f.status): f for f in store.figures()}
    assert {labels: f.count for labels, f in found.items()} == {
        ("production", "success"): 2,
        ("production", "rolled_back"): 1,
        ("staging", "cancelled"): 1,
    }
    good = found["production", "success"]
    assert (good.fraise, good.provider, good.strategy) == ("api", "bare_metal", "rolling")
    assert (good.kind, good.begun, good.within) == ("deploy", 2, (2,) * len(DURATIONS))
    assert 0 < good.seconds < 2
    assert found["staging", "cancelled"].begun == 0, "it never began, so it took no time"


def test_a_token_is_found_by_its_digest_until_it_is_revoked(store: SqlStore) -> None:
    token = Token("tok_1", "ci", Scope.DEPLOY, 1, "cli:me", expires_at=5)
    store.add_token(token, "digest")
    assert store.find_token("digest") == token
    assert store.find_token("other") is None
    store.used_token(token.id)
    used = store.find_token("digest")
    assert used is not None
    assert used.last_used_at is not None
    assert store.revoke_token(token.id, "cli:you").revoked_at is not None
    assert [found.id for found in store.tokens()] == ["tok_1"]
    assert audited(store) == [
        ("cli:me", "token.create", "tok_1"),
        ("cli:you", "token.revoke", "tok_1"),
    ]
    with pytest.raises(Refused, match="already"):
        store.revoke_token(token.id, "cli:you")
    with pytest.raises(TokenNotFound):
        store.revoke_token("tok_2", "cli:you")


def test_an_unlock_is_audited(store: SqlStore) -> None:
    asked = begin(store)
    store.finish(asked.id, Status.INTERRUPTED, "")
    assert store.unlock("api", "production", "I looked", "me") == asked.id
    assert store.unlock("api", "production", "again", "me") is None
    assert audited(store) == [("me", "unlock", asked.id)]


def test_an_unknown_deployment_is_not_found(store: SqlStore) -> None:
    reads = (store.deployment, store.events, store.claim, store.host_records, store.count_events)
    for read in (*reads, lambda name: store.cancel(name, "me")):
        with pytest.raises(DeploymentNotFound):
            read("dep_nope")


def test_the_installation_keeps_its_id(store: SqlStore, url: str) -> None:
    assert store.installation() == SqlStore.open(url).installation()


def test_the_migrations_make_exactly_the_tables_and_head_is_their_head(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD


def test_every_commit_is_on_the_disk_before_it_is_told(url: str) -> None:
    with open_database(url).connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_file_that_is_no_database_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "not.db"
    path.write_text("this is text, and long enough to be read as a header of a database file")
    with pytest.raises(StoreError, match="not a database"):
        SqlStore.open(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="folder"):
        SqlStore.open(f"sqlite:///{tmp_path / 'missing' / 'x.db'}")


def test_a_database_of_a_newer_fraisier_is_refused(url: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer Fraisier"):
        open_database(url)
