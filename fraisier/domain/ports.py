"""The seams: what the engine asks of the world, without knowing who answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fraisier.domain.catalogue import Host, InventoryGroup, Target
from fraisier.domain.deployment import Deployment, HostRecord, Placement, Status
from fraisier.domain.dora import Ended
from fraisier.domain.event import Event, Fact, Head
from fraisier.domain.freeze import Stopped
from fraisier.domain.health import Claimed, HostHealth, Seen, Verdict
from fraisier.domain.idempotency import KeyStore
from fraisier.domain.notice import Notice
from fraisier.domain.outcome import Outcome
from fraisier.domain.paging import Place
from fraisier.domain.plan import Work
from fraisier.domain.rate import Allowance
from fraisier.domain.reach import EVERYTHING, Reach
from fraisier.domain.token import Token
from fraisier.domain.worker import NewWorker, Pause, Waiting, WorkerRecord


@dataclass(frozen=True)
class NewDeployment:
    """A request that has passed every check and is about to be recorded.

    `idempotency_key` is its asker's own; `fingerprint` tells whether a second request with the
    same key is the same one. `trace_id` is what it has in common with others; empty: its own.
    """

    kind: str
    target: Target
    version: str
    requested_version: str | None
    strategy: str
    triggered_by: str
    idempotency_key: str | None = None
    fingerprint: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    trace_id: str = ""


@dataclass(frozen=True)
class Filter:
    """Which deployments to list, newest first; None means any. Times are in microseconds.

    `since` is within what is listed, `until` is not. `place` is where the list begins. `reach`:
    only those of targets within it.
    """

    fraise: str | None = None
    environment: str | None = None
    status: str | None = None
    since: int | None = None
    limit: int = 100
    offset: int = 0
    until: int | None = None
    place: Place | None = None
    oldest_first: bool = False
    reach: Reach = EVERYTHING


@dataclass(frozen=True)
class Figure:
    """How many deployments of a kind ended so, and how long those that began took.

    `seconds` is the sum of their durations; `within[n]` counts those of at most `DURATIONS[n]`
    seconds, and `begun` counts them all.
    """

    fraise: str
    environment: str
    provider: str
    strategy: str
    kind: str
    status: str
    count: int
    begun: int
    seconds: float
    within: tuple[int, ...]


#: The upper ends, in seconds, of the intervals that durations are counted in.
DURATIONS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


class Store(KeyStore, Protocol):
    """The records. Each method is one transaction; what it returns is committed."""

    def now(self) -> int:
        """Return the time by the database's clock, in UTC microseconds."""

    def installation(self) -> str:
        """Return this installation's id, which hosts remember their holder by."""

    def join(self, new: NewWorker, lease: float) -> str:
        """Record a worker whose lease lasts so many seconds, and return its id."""

    def beat(self, worker_id: str, lease: float, configuration: str = "") -> bool:
        """Renew a worker's lease, and tell the configuration that it now works with.

        False where the lease has run out, which is for good.
        """

    def leave(self, worker_id: str) -> None:
        """Forget a worker; what it still holds is then for others to take over."""

    def workers(self, reach: Reach = EVERYTHING) -> list[WorkerRecord]:
        """Return those at work, and the dead whose remains nobody has taken over.

        Of what they hold only those of targets within a reach are told.
        """

    def request(self, new: NewDeployment, worker_id: str | None = None) -> Deployment:
        """Record an accepted request, or return the one with the same key; raise Refused.

        Frozen or OutsideWindow are raised where it could not begin now and is not to wait.

        Any worker may claim it; with `worker_id` it is for that one, and ends with it.
        """

    def repeated(self, by: str, key: str, fingerprint: str) -> Deployment | None:
        """Return what `by` asked for with this key before; raise KeyReused if that was another."""

    def claim(
        self,
        deployment_id: str,
        worker_id: str,
        patient: Callable[[], bool] = lambda: False,
    ) -> Deployment | None:
        """Start the deployment if it is its turn, and return it as it is now held.

        None where it is not, or where another was faster. Where the database goes away meanwhile
        it is tried again as long as `patient()` says so. Raises LeaseLost where the worker is no
        longer counted among the living.
        """

    def claim_next(
        self,
        worker_id: str,
        takes: Callable[[Target], bool],
        patient: Callable[[], bool] = lambda: False,
    ) -> Deployment | None:
        """Claim the queued deployment accepted first among those whose turn it is."""

    def take_over(self, worker_id: str) -> Deployment | None:
        """Return one running deployment of a dead worker, which is now held by this one.

        What waited for a dead command is cancelled on the way; what others gave up is left until it
        is due.
        """

    def give_up(self, deployment: Deployment, worker_id: str) -> float:
        """Leave to others what this worker took over and could not end.

        Returns after how many seconds another one may take it over; after twice as many, the same.
        They grow with each failure.
        """

    def abandoned(self) -> bool:
        """Return whether a dead worker has left anything."""

    def held_by(self, worker_id: str) -> list[Deployment]:
        """Return the running deployments that a worker holds."""

    def require_open(self, target: Target, past: bool) -> None:
        """Raise Refused where a request for a target would be, as it is held, frozen or closed.

        `past`: it goes past freezes and deploy windows.
        """

    def cancel(self, deployment_id: str, by: str, why: str = "") -> Deployment:
        """End a pending deployment, or record the wish to end a running one; raise Refused.

        `why` is the reason of the end where it is another than that somebody cancelled.
        """

    def go_on(self, deployment_id: str, by: str) -> Deployment:
        """Record the wish that a paused deployment goes on; raise Refused where it is none."""

    def blocker(self, deployment_id: str) -> Deployment | None:
        """Return the deployment that a pending one waits for, if any."""

    def waiting(self, deployment_id: str) -> Waiting | None:
        """Return why a deployment has not begun, and its place; None where it has."""

    def stopped(self, target: Target) -> Stopped | None:
        """Return what keeps a deployment to a target from beginning now, if anything does."""

    def pause(self, by: str, reason: str) -> None:
        """Let nothing begin until `resume`; what runs goes on."""

    def resume(self, by: str) -> bool:
        """Let the queue go on; False where it was not paused."""

    def paused(self) -> Pause | None:
        """Return who paused the queue, if it is."""

    def record(
        self,
        deployment: Deployment,
        facts: Sequence[Fact],
        hosts: Sequence[HostRecord] = (),
        found: Sequence[Placement] = (),
        version: str | None = None,
        patient: Callable[[], bool] = lambda: False,
    ) -> list[Event]:
        """Append facts to a live deployment's log, with what they say about hosts.

        With `deployment.paused` it is paused from now on, with `deployment.resumed` no longer.

        `version` is what the one that was asked for turned out to be, where that is known now.
        While the database is away it is tried again as long as `patient()` says so. Raises
        LeaseLost where another worker holds the deployment now.
        """

    def finish(
        self,
        deployment: Deployment,
        status: Status,
        reason: str,
        patient: Callable[[], bool] = lambda: False,
    ) -> list[Event]:
        """End a deployment, once; raise LeaseLost as `record` does.

        Raises CancelAsked where it would be a success but a wish to cancel was recorded first.
        """

    def unlock(self, fraise: str, environment: str, reason: str, by: str) -> str | None:
        """Release a held target; return what held it."""

    def held(self, fraise: str, environment: str) -> str | None:
        """Return the deployment that holds a target, if one does."""

    def deployment(self, deployment_id: str) -> Deployment:
        """Return one deployment, or raise DeploymentNotFound."""

    def deployments(self, wanted: Filter) -> list[Deployment]:
        """Return a page of deployments."""

    def count(self, wanted: Filter, most: int | None = None) -> int:
        """Return how many deployments there are, whatever the page; at most `most`."""

    def figures(self) -> list[Figure]:
        """Return what is known of the deployments that have ended, in numbers."""

    def ended(
        self,
        since: int,
        limit: int,
        fraise: str | None = None,
        environment: str | None = None,
        reach: Reach = EVERYTHING,
    ) -> list[Ended]:
        """Return deployments that ended since a moment (microseconds), the last to end first."""

    def claim_check(self, target: Target, seconds: float) -> Claimed | None:
        """Return the right to look at a target now, for so many seconds; None where it is not due.

        Nobody may while a deployment of it is under way, or another process looks.
        """

    def record_check(
        self, claimed: Claimed, target: Target, seen: Sequence[Seen]
    ) -> list[Verdict] | None:
        """Record what a look found, and return what was told of; None where it does not count.

        It does not where a deployment has begun since, or where the claim had run out.
        """

    def health(
        self, fraise: str | None = None, environment: str | None = None
    ) -> dict[tuple[str, str], list[HostHealth]]:
        """Return what the looks at each target came to, by its fraise and environment."""

    def delivery_lag(self) -> dict[str, float]:
        """Return for each endpoint how long, in seconds, a delivery has been due and untried."""

    def relay_lag(self) -> dict[str, float]:
        """Return for each sink how old, in seconds, the oldest event is that it was not told of."""

    def host_records(self, deployment_id: str) -> list[HostRecord]:
        """Return what a deployment did to each host."""

    def placements(self, fraise: str, environment: str) -> dict[str, Placement]:
        """Return what each host of a target runs, by host."""

    def events(
        self, deployment_id: str, after: int = 0, limit: int | None = None, kind: str | None = None
    ) -> list[Event]:
        """Return a deployment's events after a sequence number, in order; `kind` None means any."""

    def count_events(self, deployment_id: str, kind: str | None = None, after: int = 0) -> int:
        """Return how many events a deployment has after a sequence number; `kind` None: any."""

    def heads(self, deployment_ids: Collection[str]) -> Mapping[str, Head]:
        """Return how far each log goes, all as of one moment; none for what is not recorded."""


class EventSink(Protocol):
    """Where recorded events go on to. Each has its own progress: one that is away delays itself.

    `name` is what its progress is kept under, at most 80 characters, the same after a restart.
    """

    name: str

    def look(self, state: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | None]:
        """Get ready; return what to remember, and the moment from which all must be told again.

        `state` is what was remembered last, empty at first. The moment is UTC microseconds; None
        where the sink still has what it was given. Raises SinkUnavailable.
        """

    def publish(self, notices: Sequence[Notice]) -> int:
        """Deliver notices in their order; return how many of the first are there for certain.

        Repeats are to be expected. Raises SinkUnavailable where none is.
        """


class RelayStore(Protocol):
    """How far each sink was told of what is recorded. Each method is one transaction."""

    def hold_relay(self, sink: str, worker_id: str) -> Mapping[str, Any] | None:
        """Let a worker serve a sink, and return what to remember of it.

        None while another one that is alive serves it. Raises LeaseLost where this one is not
        counted among the living.
        """

    def leave_relay(self, sink: str, worker_id: str) -> None:
        """Let others serve a sink."""

    def remember(self, sink: str, worker_id: str, state: Mapping[str, Any]) -> None:
        """Keep what a sink wants to know at its next beginning; raise LeaseLost."""

    def untold(self, sink: str, limit: int, after: str = "") -> list[Notice]:
        """Return events that a sink was not told of, each stream's in order without a gap.

        Of many streams those after the id `after` come first, so that each has its turn.
        """

    def told(self, sink: str, worker_id: str, reached: Mapping[str, int]) -> None:
        """Record how far a sink was told each stream; raise LeaseLost where another serves it."""

    def tell_again(self, sink: str, worker_id: str, since: int) -> None:
        """Let a sink be told anew of all that was not over at a moment (UTC microseconds)."""

    def settle_told(self) -> int:
        """Forget the streams that have ended and were told to every sink; return how many."""


class TokenStore(Protocol):
    """The records of tokens: digests, never secrets. Each method is one transaction."""

    def add_token(self, token: Token, digest: str) -> None:
        """Record a new token."""

    def find_token(self, digest: str) -> Token | None:
        """Return the token of a secret's digest, valid or not."""

    def tokens(self) -> list[Token]:
        """Return every token, newest first."""

    def tokens_of(self, ids: Collection[str]) -> list[Token]:
        """Return the tokens that have these ids, in any order."""

    def token(self, token_id: str) -> Token:
        """Return one token, or raise TokenNotFound."""

    def rotate_token(
        self, token_id: str, digest: str, overlap: int, by: str, latest: int | None = None
    ) -> Token:
        """Give a token another secret; raise TokenNotFound, or Refused where it is not valid.

        The secret before it stays valid for so many microseconds, and not longer than it would.
        The token then ends at `latest` at the latest.
        """

    def revoke_token(self, token_id: str, by: str) -> Token:
        """Make a token invalid for good; raise TokenNotFound, or Refused where it was already."""

    def revoke_made_tokens(self, token_id: str, by: str) -> list[Token]:
        """Revoke every valid token that a token made, or that those made; return them."""

    def used_token(self, token_id: str) -> None:
        """Record that a token has just been used."""


class RateStore(Protocol):
    """How much of each allowance is used, by all processes together."""

    def take_allowance(self, key: str, wanted: int, limit: int) -> Allowance:
        """Take up to `wanted` of the `limit` that a key has in one window, all at once."""


class Runner(Protocol):
    """Runs one playbook to its end and leaves nothing behind."""

    def prepare(self, inventory: InventoryGroup | None = None, here: bool = False) -> None:
        """Get ready for a run that will come soon; optional, and only for speed.

        `here`: on this very machine.
        """

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Run the work, telling facts as they come.

        Raises ConfigurationError or RunnerError only while nothing has run yet.
        """

    def close(self) -> None:
        """End what was prepared and not used."""


class Inventories(Protocol):
    """The Ansible inventories that teams keep themselves."""

    def hosts(self, named: InventoryGroup) -> tuple[Host, ...]:
        """Return the hosts of a group, at least one, or raise ConfigurationError."""


class Repositories(Protocol):
    """The git repositories that versions come from."""

    def resolve(self, target: Target, version: str | None) -> str:
        """Return the full commit SHA a version of a target names (None: its branch's newest)."""
