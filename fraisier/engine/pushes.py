"""Pushes: what git hosts tell of, compared with the configuration, becomes deployments."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from typing import Any

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.errors import FraisierError, StoreError
from fraisier.domain.ids import new_id
from fraisier.domain.incoming import (
    Incoming,
    IncomingFilter,
    IncomingStatus,
    IncomingStore,
    NewIncoming,
    Outcome,
    as_json,
)
from fraisier.domain.push import SKIP, TAG, Listening, Push, Received
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.views import timestamp

#: What was recorded for so long and not dealt with was left by a process that died, in seconds.
LEFT_SECONDS = 60
#: For how long the log of deliveries is kept; as long a repeated one is known.
KEPT_DAYS = 30
_SECOND = 1_000_000

log = logging.getLogger("fraisier.webhooks")


class Pushes:
    """Deliveries of git hosts, verified by now, as they are dealt with and looked at."""

    def __init__(
        self, catalogue: Catalogue, store: IncomingStore, deployments: Deployments
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._deployments = deployments

    def receive(self, provider: str, delivery_id: str, body: bytes, said: Received) -> Incoming:
        """Record a delivery and request what it deploys; a repeated one comes to the same.

        Raises KeyReused where its id stands for another body, and StoreError: then it is dealt with
        later, or when it comes again.
        """
        digest = hashlib.sha256(body).hexdigest()
        trace_id = new_id("trace")
        new = NewIncoming(
            provider, delivery_id, digest, said.event, trace_id, said.pushes, said.pong
        )
        return self._dealt_with(self._store.receive(new))

    def redeliver(self, incoming_id: str, by: str) -> Incoming:
        """Deal with a delivery once more, by the configuration of now; raise NotFound."""
        return self._dealt_with(self._store.redelivered(incoming_id, by, new_id("trace")))

    def tidy(self) -> None:
        """Deal with what a process left that died, and remove what is old; raise StoreError."""
        at = self._store.now()
        for left in self._store.unsettled(at - LEFT_SECONDS * _SECOND):
            self._try_again(left)
        while self._store.prune_incoming(at - KEPT_DAYS * 86_400 * _SECOND):
            pass

    def _try_again(self, left: Incoming) -> None:
        """Deal with a delivery; one that cannot be dealt with keeps no other one waiting."""
        try:
            self._dealt_with(left)
        except StoreError:
            raise
        except Exception:
            log.exception("%s %s could not be dealt with", left.provider, left.delivery_id)

    def deliveries(self, wanted: IncomingFilter) -> tuple[list[dict[str, Any]], int]:
        """Return a page of the log, newest first, and how many there are."""
        found = [incoming_json(each) for each in self._store.incoming(wanted)]
        return found, self._store.count_incoming(wanted)

    def _dealt_with(self, found: Incoming) -> Incoming:
        """Request what a delivery deploys and record what came of it, where nobody has yet.

        Copies that do so at once come to the same, since each deployment has a key.
        """
        if found.status is not IncomingStatus.RECEIVED:
            return found
        reasons: list[str] = []
        outcomes = [
            outcome
            for number, push in enumerate(found.pushes)
            for outcome in self._outcomes(found, number, push, reasons)
        ]
        made = any(each.deployment_id for each in outcomes)
        status = IncomingStatus.TRIGGERED if made else IncomingStatus.IGNORED
        if not found.pushes:
            reasons.append(f"{found.event} deploys nothing")
        refused = [f"{o.fraise} {o.environment}: {o.reason}" for o in outcomes if o.reason]
        reason = "; ".join(dict.fromkeys([*reasons, *refused])) if not made else ""
        settled = self._store.settle(found.id, status, reason, outcomes)
        log.info("%s %s: %s %s", found.provider, found.delivery_id, settled.status, reason)
        return settled

    def _outcomes(
        self, found: Incoming, number: int, push: Push, reasons: list[str]
    ) -> Iterator[Outcome]:
        """Yield what one push comes to for each target; add to the reasons why it has none."""
        why = _ignored(push)
        mine = [] if why else [each for each in self._catalogue.listening if each.is_of(push)]
        if not mine:
            reasons.append(why or f"no environment deploys on pushes to {push.repository}")
        others = [
            (each, each.why_not_from(found.provider, push) or each.on.why_not(push))
            for each in mine
        ]
        reasons += [f"{each.fraise} {each.environment}: {no}" for each, no in others if no]
        for each, no in others:
            if not no:
                yield self._deployed(found, number, push, each)

    def _deployed(self, found: Incoming, number: int, push: Push, each: Listening) -> Outcome:
        try:
            wish = self._wish(found, number, push, each)
            made = self._deployments.deploy(wish, trace_id=found.trace_id)
        except StoreError:
            raise
        except FraisierError as error:
            return Outcome(each.fraise, each.environment, None, error.message)
        return Outcome(each.fraise, each.environment, made.id)

    def _wish(self, found: Incoming, number: int, push: Push, each: Listening) -> Wish:
        parts = (found.provider, found.delivery_id, str(number), each.fraise, each.environment)
        return Wish(
            each.fraise,
            each.environment,
            f"webhook:{found.provider}",
            version=self._version(push, each),
            idempotency_key=hashlib.sha256("\0".join(parts).encode()).hexdigest(),
            reason=each.on.why(push),
        )

    def _version(self, push: Push, each: Listening) -> str | None:
        """Return the commit; of what is deployed as an image the tag, and else as configured."""
        target = self._catalogue.target(each.fraise, each.environment)
        if self._catalogue.providers[target.provider].versions == "git":
            return push.commit
        return push.name if push.kind == TAG else None


def incoming_json(found: Incoming) -> dict[str, Any]:
    """Return a delivery as answers and the log show it."""
    return {
        "delivery": found.id,
        "status": found.status.value,
        "reason": found.reason,
        "provider": found.provider,
        "delivery_id": found.delivery_id,
        "event": found.event,
        "received_at": timestamp(found.received_at),
        "trace_id": found.trace_id,
        "pushes": [_push_json(each) for each in found.pushes],
        "deployments": [as_json(each) for each in found.outcomes],
    }


def _push_json(push: Push) -> dict[str, Any]:
    named = {"repository": push.repository, "ref": f"{push.kind} {push.name}"}
    return {**named, "commit": push.commit or None}


def _ignored(push: Push) -> str:
    if not push.commit:
        return f"the {push.kind} {push.name} was deleted"
    if SKIP.search(push.message):
        return "the newest commit says [skip deploy]"
    return push.contradiction
