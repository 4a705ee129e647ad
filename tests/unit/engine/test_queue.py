"""A server's work on its queue: side by side, one at a time for each target, and a clean stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fraisier.domain.catalogue import Catalogue, Fraise
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.errors import StoreError, StoreUnavailable
from fraisier.domain.event import Fact
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.domain.worker import NewWorker
from fraisier.engine import membership, queue, recovery
from fraisier.engine.bell import Bell
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.membership import Membership
from fraisier.engine.queue import QueueWorker, Stop
from fraisier.store import queue as of_queue
from fraisier.store import transactions
from support.fakes import PROVIDER, Inventories, Repositories, ScriptedRunner, make_target
from support.records import open_records
from support.target import until

NAMES = ("a", "b", "c")


class Hall:
    """Where scripted runs meet: each waits inside a deploy until it is let go, or cancelled."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside: list[str] = []
        self.most = 0
        self.threads: set[int] = set()
        self.closed = 0
        self.serving: dict[str, str | None] = {}
        self.silent: set[str] = set()

    def runner(self) -> WaitingRunner:
        """Return a runner of its own for one attempt."""
        return WaitingRunner(self)


class WaitingRunner(ScriptedRunner):
    """Runs that go on until the hall is open or they are cancelled."""

    def __init__(self, hall: Hall) -> None:
        super().__init__()
        self.hall = hall
        self.serving, self.silent = hall.serving, hall.silent

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Wait, then do the work on every host."""
        if work.verb != "deploy":
            return super().run(work, on_facts, cancelled)
        self.hall.inside.append(work.deployment_id)
        self.hall.threads.add(threading.get_ident())
        self.hall.most = max(self.hall.most, len(self.hall.inside))
        while not self.hall.open.wait(0.01) and not cancelled():
            continue
        self.hall.inside.remove(work.deployment_id)
        if cancelled():
            error = {"code": "cancelled", "message": "it was stopped", "hint": ""}
            hosts = {h.name: HostOutcome(h.name, "unknown", {}, error) for h in work.hosts}
            return Outcome("cancelled", hosts, error)
        return super().run(work, on_facts, cancelled)

    def close(self) -> None:
        """Count who tidied up."""
        self.hall.closed += 1


class Server:
    """A queue, a worker in a thread, and the requests."""

    def __init__(
        self,
        folder: Path,
        at_once: int = 4,
        drain: float = 30.0,
        lease: float = 30.0,
        labels: dict[str, str] | None = None,
        tidy: Callable[[], None] = lambda: None,
    ) -> None:
        targets = {name: make_target(fraise="api", environment=name) for name in NAMES}
        fraise = Fraise("api", "api", "", targets)
        self.catalogue = Catalogue("fraises.yaml", {"api": fraise}, {"bare_metal": PROVIDER})
        self.store = open_records(folder / "records.db")
        self.hall, self.stop, self.bell = Hall(), Stop(), Bell()
        parts = (self.catalogue, self.store, Repositories(), Inventories(), self.bell)
        self.deployments = Deployments(*parts)
        new = NewWorker("me", "serve", labels or {}, at_once)
        member = Membership(self.store, new, lease)
        work = (self.catalogue, self.store, self.hall.runner, self.bell, member, drain)
        self.worker = QueueWorker(*work, tidy=tidy)
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        try:
            self.worker.serve(self.stop)
        except Exception as error:
            self.error = error

    @contextmanager
    def running(self) -> Iterator[None]:
        """Work until the block ends; then everything must end by itself."""
        self.thread.start()
        try:
            yield
        finally:
            self.hall.open.set()
            self.stop.drain.set()
            self.thread.join(20)
        assert not self.thread.is_alive()

    def ask(self, environment: str, **wish: Any) -> Deployment:
        """Request a deployment that any server may carry out."""
        wish = {"version": "v1", **wish}
        return self.deployments.deploy(Wish("api", environment, "tok_1", **wish))

    def status(self, asked: Deployment) -> Status:
        """Return where a deployment stands."""
        return self.store.deployment(asked.id).status


def test_targets_are_worked_on_side_by_side_and_each_in_its_order(tmp_path: Path) -> None:
    server = Server(tmp_path)
    first, second, other = server.ask("a"), server.ask("a", version="v2"), server.ask("b")
    with server.running():
        until(lambda: len(server.hall.inside) == 2)
        assert sorted(server.hall.inside) == sorted([first.id, other.id])
        assert server.status(second) is Status.PENDING
        assert len(server.hall.threads) == 2, "a thread for each attempt"
        server.hall.open.set()
        until(lambda: server.status(second) is Status.SUCCESS)
    assert server.store.placements("api", "a")["web-1"].version == "v2"
    assert server.hall.closed == 3


def test_no_more_attempts_run_at_once_than_allowed(tmp_path: Path) -> None:
    server = Server(tmp_path, at_once=2)
    asked = [server.ask(name) for name in NAMES]
    with server.running():
        until(lambda: len(server.hall.inside) == 2)
        server.hall.open.set()
        until(lambda: all(server.status(each) is Status.SUCCESS for each in asked))
    assert server.hall.most == 2


def test_what_was_frozen_at_the_request_is_what_runs(tmp_path: Path) -> None:
    server = Server(tmp_path)
    asked = server.ask("a")
    changed = make_target("another-host", fraise="api", environment="a")
    server.catalogue.fraises["api"].targets["a"] = changed
    with server.running():
        server.hall.open.set()
        until(lambda: server.status(asked) is Status.SUCCESS)
    assert [record.host for record in server.store.host_records(asked.id)] == ["web-1"]


def test_a_recorded_wish_stops_a_running_deployment(tmp_path: Path) -> None:
    server = Server(tmp_path)
    asked = server.ask("a")
    with server.running():
        until(lambda: server.hall.inside)
        server.deployments.cancel(asked.id, "tok_2")
        until(lambda: server.status(asked).terminal, seconds=10)
    ended = server.store.deployment(asked.id)
    assert ended.status is Status.CANCELLED
    assert ended.cancel_requested_by == "tok_2"


def test_a_stop_begins_nothing_more_and_lets_what_runs_end(tmp_path: Path) -> None:
    server = Server(tmp_path, at_once=1)
    first, second = server.ask("a"), server.ask("b")
    with server.running():
        until(lambda: server.hall.inside)
        server.stop.drain.set()
        server.hall.open.set()
        server.thread.join(10)
    assert server.status(first) is Status.SUCCESS
    assert server.status(second) is Status.PENDING
    again = Server(tmp_path)
    with again.running():
        again.hall.open.set()
        until(lambda: again.status(second) is Status.SUCCESS)


@pytest.mark.parametrize("asked_twice", [False, True])
def test_a_stop_cancels_what_has_not_ended_in_time_or_at_the_second_signal(
    tmp_path: Path, asked_twice: bool
) -> None:
    server = Server(tmp_path, drain=30.0 if asked_twice else 0.3)
    asked = server.ask("a")
    with server.running():
        until(lambda: server.hall.inside)
        server.stop.drain.set()
        if asked_twice:
            server.stop.now.set()
        server.thread.join(10)
        assert not server.thread.is_alive()
    assert server.status(asked) is Status.CANCELLED


def test_an_attempt_that_breaks_off_is_interrupted_and_the_queue_goes_on(tmp_path: Path) -> None:
    server = Server(tmp_path)
    asked = server.ask("a")
    runners: list[Callable[[], Any]] = [Breaking, lambda: WaitingRunner(server.hall)]
    server.worker._new_runner = lambda: runners.pop(0)()
    with server.running():
        server.hall.open.set()
        until(lambda: server.status(asked).terminal)
        other = server.ask("b")
        until(lambda: server.status(other) is Status.SUCCESS)
    ended = server.store.deployment(asked.id)
    assert ended.status is Status.INTERRUPTED
    assert "ZeroDivisionError" in ended.reason
    assert server.store.held("api", "a") == asked.id


class Breaking(ScriptedRunner):
    """A runner with a defect."""

    def run(self, *_: Any) -> Outcome:
        """Break."""
        raise ZeroDivisionError


def test_what_was_claimed_and_never_begun_does_not_stay_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "SWEEP_SECONDS", 0.1)
    server = Server(tmp_path)
    asked, failures = server.ask("a"), [StoreError("the answer was lost")]
    claim = server.store.claim_next

    def lost(*arguments: Any) -> Deployment | None:
        claimed = claim(*arguments)
        if claimed is not None and failures:
            raise failures.pop()
        return claimed

    monkeypatch.setattr(server.store, "claim_next", lost)
    with server.running():
        until(lambda: server.status(asked) is Status.INTERRUPTED)
        other = server.ask("b")
        until(lambda: server.hall.inside == [other.id])


def test_an_end_that_could_not_be_recorded_is_recorded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "SWEEP_SECONDS", 0.1)
    server = Server(tmp_path)
    asked, finish, failures = server.ask("a"), server.store.finish, [StoreError("disk full")] * 3

    def full(*arguments: Any, **more: Any) -> Any:
        if failures:
            raise failures.pop()
        return finish(*arguments, **more)

    monkeypatch.setattr(server.store, "finish", full)
    with server.running():
        server.hall.open.set()
        until(lambda: server.status(asked).terminal)
    assert server.status(asked) is Status.INTERRUPTED
    assert not failures


class Garbled(ScriptedRunner):
    """A runner with a defect: what its hosts answer was not checked as HostOutcome does it."""

    def run(self, work: Work, *_: Any) -> Outcome:
        """Answer."""
        unchecked: Any = SimpleNamespace(ok=True, state="ok", result={"release": "text"})
        return Outcome("done", {host.name: unchecked for host in work.hosts})


def test_a_settlement_that_fails_is_left_to_others_and_told_of_once(tmp_path: Path) -> None:
    failing, healthy = Server(tmp_path), Server(tmp_path)
    asked = failing.ask("a")
    dead = failing.store.join(NewWorker("dead", "serve", {}, 4), 30)
    assert failing.store.claim(asked.id, dead)
    failing.store.leave(dead)
    failing.worker._new_runner = Garbled
    with failing.running():
        until(lambda: failing.store.deployment(asked.id).settle_failures)
        with healthy.running():
            until(lambda: failing.status(asked) is Status.INTERRUPTED)
    kinds = [event.type for event in failing.store.events(asked.id)]
    assert kinds.count("deployment.step") == 1
    assert failing.store.deployment(asked.id).settle_failures == 1


def test_hosts_that_cannot_be_understood_do_not_keep_a_deployment_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_queue, "LONGEST_PAUSE", 0.01)
    server = Server(tmp_path)
    asked = server.ask("a")
    dead = server.store.join(NewWorker("dead", "serve", {}, 4), 30)
    assert server.store.claim(asked.id, dead)
    server.store.leave(dead)
    server.worker._new_runner = Garbled
    with server.running():
        until(lambda: server.status(asked) is Status.INTERRUPTED)
    ended = server.store.deployment(asked.id)
    assert "what web-1 serves is unknown" in ended.reason
    assert ended.settle_failures == recovery.BELIEVED


def test_records_that_cannot_be_reached_are_told_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path)
    asked, claim, broken = server.ask("a"), server.store.claim_next, threading.Event()

    def next_one(*arguments: Any) -> Deployment | None:
        if not broken.is_set():
            raise StoreError("the disk is gone")
        return claim(*arguments)

    monkeypatch.setattr(server.store, "claim_next", next_one)
    with server.running():
        server.hall.open.set()
        until(lambda: server.worker.trouble)
        assert server.worker.trouble == "the database does not answer"
        broken.set()
        until(lambda: server.status(asked) is Status.SUCCESS)
        until(lambda: server.worker.trouble is None)


def test_a_defect_of_the_loop_ends_it_after_what_runs_and_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path)
    asked = server.ask("a")
    with server.running():
        until(lambda: server.hall.inside)
        monkeypatch.setattr(server.store, "claim_next", lambda *_: 1 / 0)
        server.hall.open.set()
        server.thread.join(10)
        assert not server.thread.is_alive()
    assert isinstance(server.error, ZeroDivisionError)
    assert server.status(asked) is Status.SUCCESS


def test_a_provider_that_is_not_here_fails_before_any_host_is_touched(tmp_path: Path) -> None:
    server = Server(tmp_path)
    target = replace(server.catalogue.target("api", "a"), provider="gone")
    draft = server.deployments.draft(Wish("api", "a", "tok_1", version="v1"))
    asked = server.store.request(replace(draft, target=target))
    with server.running():
        until(lambda: server.status(asked).terminal)
    ended = server.store.deployment(asked.id)
    assert ended.status is Status.FAILED
    assert 'no provider "gone"' in ended.reason


def test_what_a_dead_server_began_is_interrupted_and_the_rest_of_its_queue_goes_on(
    tmp_path: Path,
) -> None:  # I3
    server = Server(tmp_path)
    server.hall.serving["web-1"] = "v0"
    begun, waiting = server.ask("a"), server.ask("b")
    dead = server.store.join(NewWorker("dead", "serve", {}, 4), 30)
    assert server.store.claim(begun.id, dead)
    server.store.leave(dead)
    with server.running():
        server.hall.open.set()
        until(lambda: server.status(begun) is Status.INTERRUPTED)
        until(lambda: server.status(waiting).terminal)
    ended = server.store.deployment(begun.id)
    assert ended.reason == "its worker died; web-1 runs v0"
    assert server.status(waiting) is Status.SUCCESS
    assert server.store.placements("api", "a")["web-1"].version == "v0"
    assert server.store.held("api", "a") == begun.id


def test_a_host_that_does_not_answer_is_unknown_and_not_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # I14
    monkeypatch.setattr(recovery, "PROBE_SECONDS", 0.45)
    monkeypatch.setattr(recovery, "SHORTEST_PROBE_SECONDS", 0.3)
    monkeypatch.setattr(recovery, "PAUSE_SECONDS", 0.1)
    server = Server(tmp_path)
    first, second = server.ask("a"), server.ask("a", version="v2")
    with server.running():
        server.hall.open.set()
        until(lambda: server.status(first) is Status.SUCCESS)
        until(lambda: server.status(second).terminal)
    third = server.ask("a", version="v3")
    dead = server.store.join(NewWorker("dead", "serve", {}, 4), 30)
    assert server.store.claim(third.id, dead)
    server.store.leave(dead)
    again = Server(tmp_path)
    again.hall.silent.add("web-1")
    with again.running():
        until(lambda: again.status(third) is Status.INTERRUPTED)
    placed = again.store.placements("api", "a")["web-1"]
    assert (placed.version, placed.known) == ("v2", False)
    assert "what web-1 serves is unknown" in again.store.deployment(third.id).reason
    assert [record.state for record in again.store.host_records(third.id)] == ["unknown"]


def test_who_loses_its_lease_stops_writes_nothing_and_goes_on_as_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # I5, I15
    monkeypatch.setattr(membership, "BEAT", 1 / 600)
    server = Server(tmp_path)
    asked = server.ask("a")
    lost, beat = threading.Event(), server.store.beat
    monkeypatch.setattr(
        server.store, "beat", lambda *arguments: not lost.is_set() and beat(*arguments)
    )
    with server.running():
        until(lambda: server.hall.inside)
        first = server.worker.id
        lost.set()
        until(lambda: not server.hall.inside)
        before = server.store.events(asked.id)
        lost.clear()
        server.store.leave(first)  # as when its lease has run out: others may take over
        until(lambda: server.status(asked) is Status.INTERRUPTED)
        assert server.worker.id != first
        other = server.ask("b")
        until(lambda: server.hall.inside == [other.id])
    told = server.store.events(asked.id)[len(before) :]
    assert [event.type for event in told] == [
        "deployment.step", "deployment.interrupted", "metrics.deployment", "deployment.completed",
    ]  # fmt: skip


def test_a_lease_that_lapsed_for_a_moment_does_not_end_as_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the database comes back after the worker has stopped its run, and before its lease is over
    server = Server(tmp_path)
    asked = server.ask("a")
    moment = [0.0]

    class Inside(list[str]):
        def remove(self, one: str) -> None:
            super().remove(one)
            moment[0] = 0.0  # the run was stopped, and nobody has looked at the lease since

    server.hall.inside = Inside()
    monkeypatch.setattr(membership, "clock", lambda: time.monotonic() + moment[0])
    with server.running():
        until(lambda: server.hall.inside)
        first, moment[0] = server.worker.id, 21.0
        until(lambda: server.status(asked) is Status.INTERRUPTED)
        assert server.worker.id != first


def test_a_claim_whose_commit_is_not_answered_goes_on_once_the_database_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path)
    monkeypatch.setattr(transactions, "PAUSES", (0.001,))
    monkeypatch.setattr(transactions, "PATIENT_SECONDS", 0.001)
    away, real = iter(range(20)), server.store._transaction

    @contextmanager
    def cut(*arguments: Any, **options: Any) -> Iterator[Any]:
        if threading.current_thread() is server.thread and claimed and next(away, None):
            raise StoreUnavailable("the database is in recovery mode")
        with real(*arguments, **options) as connection:
            yield connection
        if threading.current_thread() is server.thread and not claimed and inside:
            claimed.append(True)
            raise StoreUnavailable("the connection was lost at COMMIT")

    claimed: list[bool] = []
    inside: list[bool] = []
    claim = server.store._claim

    def claims(*arguments: Any) -> Any:
        inside.append(True)
        return claim(*arguments)

    monkeypatch.setattr(server.store, "_claim", claims)
    monkeypatch.setattr(server.store, "_transaction", cut)
    asked = server.ask("a")
    server.hall.open.set()
    with server.running():
        until(lambda: server.status(asked).terminal)
    assert claimed
    assert server.status(asked) is Status.SUCCESS


def test_a_bell_makes_the_queue_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "SWEEP_SECONDS", 60.0)
    server = Server(tmp_path)
    monkeypatch.setattr(server.worker, "_poll_seconds", lambda: 60.0)
    with server.running():
        time.sleep(0.3)  # it has looked once and waits
        asked, began = server.ask("a"), time.monotonic()
        until(lambda: server.hall.inside == [asked.id])
        assert time.monotonic() - began < 15


def test_a_worker_takes_only_the_targets_of_its_labels(tmp_path: Path) -> None:
    server = Server(tmp_path, labels={"region": "eu"})
    asked = server.ask("a")
    target = replace(server.catalogue.target("api", "b"), region="eu")
    draft = server.deployments.draft(Wish("api", "b", "tok_1", version="v1"))
    near = server.store.request(replace(draft, target=target))
    with server.running():
        server.hall.open.set()
        until(lambda: server.status(near) is Status.SUCCESS)
        waits = server.store.waiting(asked.id)
    assert waits is not None
    assert "no running worker takes region default" in waits.reason


def test_old_records_are_removed_beside_the_work_and_again_the_next_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "TIDY_SECONDS", 0.2)
    tidied: list[str] = []

    def tidy() -> None:
        tidied.append(threading.current_thread().name)
        raise StoreError("the database is away")

    server = Server(tmp_path, tidy=tidy)
    with server.running():
        until(lambda: len(tidied) > 1)
        asked = server.ask("a")
        server.hall.open.set()
        until(lambda: server.status(asked) is Status.SUCCESS)
    assert set(tidied) == {"tidy"}
