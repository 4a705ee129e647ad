"""What commands ask for, answered by this process or by a server, in the JSON of the views."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Protocol

from fraisier.domain.audit import AuditFilter
from fraisier.domain.deployment import Status
from fraisier.domain.errors import (
    FraisierError,
    RateLimited,
    StoreError,
    Unavailable,
    Unreachable,
)
from fraisier.domain.ports import Filter
from fraisier.engine.deployments import Wish
from fraisier.engine.freezes import FreezeWish
from fraisier.engine.tending import Where

Json = dict[str, Any]

POLL_SECONDS = 0.5
#: How long a server may give no answer while a deployment on it is followed.
OUTAGE_SECONDS = 60.0
#: What passes: who follows asks again. A client that asks too often asks less, for a while.
PASSING = (Unreachable, Unavailable, StoreError, RateLimited)
LIMITED_SECONDS = 5.0
#: How long is not asked while a feed tells: of one that waits to begin, and of one that goes on.
WAITING_SECONDS = 1.0
FED_SECONDS = 10.0


class Watch(Protocol):
    """Hears of a deployment while it goes on."""

    def tell(self, events: Sequence[Json]) -> None:
        """Hear events, in order, each once."""

    def waiting(self, reason: str) -> None:
        """Hear why the deployment has not begun."""

    def outage(self, error: FraisierError) -> None:
        """Hear why there is no answer for now."""


class Feed(Protocol):
    """Brings a deployment's events without their being asked for."""

    def news(self, after: int, seconds: float) -> list[Json] | None:
        """Return what came after a sequence number, waited for so long; None: ask for it."""

    def close(self) -> None:
        """End it."""


class Control(Protocol):
    """Fraisier as commands know it. Every method may raise FraisierError.

    `alone`: the work is done by this process, so a command has to stay for it.
    """

    alone: bool

    def targets(self) -> list[Json]:
        """Return every configured target (`target_json`)."""

    def status(self, fraise: str | None, environment: str | None) -> list[Json]:
        """Return what targets run (`status_json`); None means all."""

    def deployments(self, wanted: Filter) -> list[Json]:
        """Return deployments, newest first (`deployment_json`)."""

    def deployment(self, deployment_id: str) -> Json:
        """Return one deployment with its hosts."""

    def events(self, deployment_id: str, after: int = 0) -> list[Json]:
        """Return a deployment's events after a sequence number (`event_json`)."""

    def providers(self) -> list[Json]:
        """Return the providers that can be used (`provider_json`)."""

    def plan(self, wish: Wish) -> Json:
        """Return what a deployment would do, after looking at the hosts without changing them."""

    def deploy(self, wish: Wish) -> Json:
        """Request a deployment and return it."""

    def promote(self, wish: Wish, source: str) -> Json:
        """Request that what succeeded in an environment comes to a target; return it."""

    def rollback(self, wish: Wish) -> Json:
        """Request the way back to an earlier version and return that deployment."""

    def cancel(self, deployment_id: str) -> Json:
        """Ask a deployment to stop and return it as it then is."""

    def go_on(self, deployment_id: str) -> Json:
        """Let a paused deployment go on and return it as it then is."""

    def unlock(self, fraise: str, environment: str, reason: str) -> str:
        """Release a held target and return the id of the deployment that held it."""

    def queue(self) -> Json:
        """Return what waits, what runs, who works, and the pause (`engine/overview.py`)."""

    def pause(self, reason: str) -> Json:
        """Let nothing more begin and return the pause."""

    def resume(self) -> Json:
        """End the pause and return it."""

    def freezes(self, over: bool) -> list[Json]:
        """Return the freezes that hold or will hold; with `over` all of them (`freeze_json`)."""

    def freeze(self, wish: FreezeWish) -> Json:
        """Let nothing begin on some targets and return that freeze."""

    def unfreeze(self, freeze_id: str) -> Json:
        """Lift a freeze and return it."""

    def audit(self, wanted: AuditFilter) -> list[Json]:
        """Return who did what, newest first (`audit_json`)."""

    def endpoints(self) -> list[Json]:
        """Return the webhooks and notifications that are configured, and how each does."""

    def test_endpoint(self, name: str) -> Json:
        """Send one of them a test, once, and return that delivery."""

    def deliveries(self, name: str | None, status: str | None, limit: int) -> list[Json]:
        """Return what went out, newest first; None means any."""

    def received(self, provider: str | None, status: str | None, limit: int) -> list[Json]:
        """Return what came in from git hosts, newest first."""

    def receive_again(self, delivery_id: str) -> Json:
        """Deal with something that came in once more, and return what came of it."""

    def redeliver(self, delivery_id: str) -> Json:
        """Let something be sent again and return it."""

    def probe(self, where: Where) -> list[Json]:
        """Return what really runs on each host (`engine/tending.py`, also of what follows)."""

    def app_status(self, where: Where) -> list[Json]:
        """Return how the service is on each host."""

    def app_logs(
        self, where: Where, asked: Json, stop: Callable[[], bool], more: bool
    ) -> tuple[list[Json], Json]:
        """Return what the service wrote on each host, and how to ask for what comes then."""

    def app_control(self, where: Where, verb: str, told: Callable[[Json], None]) -> Json:
        """Restart, start or stop the service; hear of each host as it comes, where that can be."""

    def app_exec(self, where: Where, argv: Sequence[str], timeout: float) -> list[Json]:
        """Run a command beside the service on each host."""

    def backups(self, where: Where) -> list[Json]:
        """Return the backups on each host."""

    def take_backup(self, where: Where) -> list[Json]:
        """Take a backup on each host."""

    def restore_backup(self, where: Where, backup_id: str) -> list[Json]:
        """Put a backup back on each host."""

    def tokens(self) -> list[Json]:
        """Return every token, newest first (`token_json`)."""

    def create_token(self, name: str, scope: str, targets: Sequence[str], expires: str) -> Json:
        """Make a token and return it, with its secret under `token`."""

    def rotate_token(self, token_id: str, overlap: float) -> Json:
        """Give a token another secret; the one before is valid for so many seconds."""

    def revoke_token(self, token_id: str, made: bool = False) -> Json:
        """Make a token invalid for good and return it; with `made` also those that it made."""

    def feed(self, deployment_id: str) -> Feed:
        """Return what brings a deployment's events as they are recorded."""

    def carry_out(self, deployment_id: str, watch: Watch, stop: Callable[[], bool]) -> Json:
        """Stay with a deployment to its end, or until `stop()`; return it as it then is."""


class NoFeed:
    """Brings nothing: everything has to be asked for."""

    def news(self, _after: int, _seconds: float) -> None:
        """Return at once."""

    def close(self) -> None:
        """Do nothing."""


def follow(
    control: Control, deployment_id: str, watch: Watch, stop: Callable[[], bool] = lambda: False
) -> Json:
    """Watch a deployment that others carry out, to its end or until `stop()`; return it.

    Once there was an answer, one may be missing for OUTAGE_SECONDS: the deployment goes on.
    """
    answered, known = time.monotonic(), False
    with closing(control.feed(deployment_id)) as feed:
        told = _Told(feed, watch, stop)
        while True:
            try:
                deployment = control.deployment(deployment_id)  # first: its last events are there
                events = control.events(deployment_id, after=told.seen)
            except PASSING as error:
                awaited = known or isinstance(error, Unreachable)
                if stop() or not awaited or time.monotonic() - answered > OUTAGE_SECONDS:
                    raise
                watch.outage(error)
                pause = LIMITED_SECONDS if isinstance(error, RateLimited) else POLL_SECONDS
                told.rest(pause, pause)
                continue
            answered, known = time.monotonic(), True
            told.tell(events)
            if ended(deployment) or stop():
                return deployment
            if reason := deployment.get("waiting_for"):
                watch.waiting(reason)
            told.rest(POLL_SECONDS, WAITING_SECONDS if reason else FED_SECONDS)


class _Told:
    """What a watch has heard; `seen` is the sequence number of the last event."""

    def __init__(self, feed: Feed, watch: Watch, stop: Callable[[], bool]) -> None:
        self.seen = 0
        self._feed = feed
        self._watch = watch
        self._stop = stop

    def tell(self, events: Sequence[Json]) -> None:
        """Tell events, in order."""
        if events:
            self._watch.tell(events)
            self.seen = int(events[-1]["sequence"])

    def rest(self, pause: float, fed: float) -> None:
        """Wait until it is right to ask again: `fed` seconds while a feed tells, else `pause`.

        A feed that told something and then ends is asked about at once.
        """
        begun, seen = time.monotonic(), self.seen
        while (news := self._feed.news(self.seen, POLL_SECONDS)) is not None:
            self.tell(news)
            if self._stop() or time.monotonic() - begun >= fed:
                return
        if self.seen > seen:
            return
        time.sleep(max(0.0, pause - (time.monotonic() - begun)))


def ended(deployment: Json) -> bool:
    """True once nothing about a deployment can change."""
    return Status(deployment["status"]).terminal


def who() -> str:
    """Return how the records name the person at this terminal."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:unknown"
