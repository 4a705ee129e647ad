"""Promotion without a person: what succeeded in one environment is asked for in the next."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.deployment import AS_CONFIGURED, Deployment, Status
from fraisier.domain.errors import FraisierError, StoreError
from fraisier.domain.ids import now
from fraisier.domain.ports import Filter, Store
from fraisier.domain.retention import KEY_HOURS
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.promotion import says_nothing, short
from fraisier.engine.testing import verdict

#: A success goes on by itself for so long after it. A request is found again by its key for longer,
#: so that none is made twice.
WINDOW = KEY_HOURS // 2 * 3_600 * 1_000_000
#: After a request could not be made it is tried again so many seconds later.
AGAIN_SECONDS = 30.0
REMEMBERED = 1000
_LOOKED_AT, _PAGE = 100, 4
_LIVE = (Status.PENDING, Status.IN_PROGRESS)

log = logging.getLogger("fraisier.worker")


@dataclass(frozen=True)
class Candidate:
    """A success that goes on by itself to an environment; `blocked` says what stands against it."""

    deployment: Deployment
    blocked: str = ""


def candidate(store: Store, target: Target, moment: int | None = None) -> Candidate | None:
    """Return what would come to a target by itself now (`moment`, in microseconds), if anything.

    It is a deployment that succeeded in the environment before, the last that ended there, with
    nothing at work or waiting after it, and not asked for here yet.
    """
    if target.promote != "automatic" or target.after is None:
        return None
    found = _newest_success(store, target.fraise, target.after)
    if found is None or found.completed_at is None:
        return None
    if found.completed_at < (now() if moment is None else moment) - WINDOW:
        return None
    asked = Filter(target.fraise, target.environment, since=found.completed_at, limit=_LOOKED_AT)
    since = store.deployments(asked)
    if any(each.options.get("promoted_from") == found.id for each in since):
        return None
    return Candidate(found, _blocked(store, target, found, since))


def _newest_success(store: Store, fraise: str, environment: str) -> Deployment | None:
    """Return the deployment that an environment runs by; None where that is not sure or no way on.

    Nothing may wait or run there, and going back is not a way on.
    """
    for found in _newest_first(store, fraise, environment):
        if found.status in _LIVE:
            return None
        if not says_nothing(found):
            good = found.status is Status.SUCCESS and found.kind == "deploy"
            return found if good else None
    return None


def _newest_first(store: Store, fraise: str, environment: str) -> Iterator[Deployment]:
    """Yield deployments, a few at a time: mostly the first of them tells all."""
    for offset in range(0, _LOOKED_AT, _PAGE):
        page = store.deployments(Filter(fraise, environment, limit=_PAGE, offset=offset))
        yield from page
        if len(page) < _PAGE:
            return


def _blocked(store: Store, target: Target, found: Deployment, since: list[Deployment]) -> str:
    if found.version == AS_CONFIGURED:
        return f"which version {target.after} got is not known"
    why = verdict(store, [found], found.version)
    if why is not None:
        return why
    if since:
        return f"{since[0].id} was asked for since, by {since[0].triggered_by}"
    held = store.held(target.fraise, target.environment)
    if held is not None:
        return f"{target.environment} is held by {held}"
    stop = store.stopped(target)
    if stop is not None and not stop.waits:
        return stop.reason
    if target.on_busy == "reject":
        for status in _LIVE:
            busy = Filter(target.fraise, target.environment, status.value, limit=1)
            for running in store.deployments(busy):
                return f"{target.environment} is busy with {running.id}"
    return ""


class Promotions:
    """Asks for what goes on by itself, once for each success and environment.

    The key of a request is made of the success and the environment, so it does not matter how many
    workers ask, or that one died after it had asked.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        deployments: Deployments,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._deployments = deployments
        self._clock = clock
        self._not_before: dict[str, float] = {}

    def __call__(self) -> None:
        """Look once at every target that versions come to by themselves; raise StoreError."""
        for target in self._catalogue.now.targets():
            if target.promote != "automatic":
                continue
            try:
                self._look(target)
            except StoreError:
                raise
            except Exception:  # it keeps no other target waiting
                log.exception("%s %s could not be promoted", target.fraise, target.environment)

    def _look(self, target: Target) -> None:
        found = candidate(self._store, target)
        if found is None or found.blocked:
            return
        key = f"{found.deployment.id}:{target.environment}"
        if self._clock() < self._not_before.get(key, 0.0):
            return
        self._ask(target, found.deployment, key)

    def _ask(self, target: Target, found: Deployment, key: str) -> None:
        name = f"{short(found.version)} of {target.fraise} {target.after}"
        wish = Wish(
            target.fraise,
            target.environment,
            f"promotion:{found.id}",
            idempotency_key=key,
            reason=f"{found.id} succeeded in {target.after}",
        )
        try:
            asked = self._deployments.go_on_from(found, wish, lambda: self._still(target, found))
        except StoreError:
            raise
        except FraisierError as error:
            self._wait(key, AGAIN_SECONDS)
            log.warning("%s could not go on to %s: %s", name, target.environment, error.message)
        except Exception:
            self._wait(key, AGAIN_SECONDS)
            raise
        else:
            if asked is not None:
                self._wait(key, math.inf)
                log.info("%s goes on to %s: %s", name, target.environment, asked.id)

    def _wait(self, key: str, seconds: float) -> None:
        """Leave a promotion alone for so long; a little of that is remembered, to spare effort."""
        kept = [(name, at) for name, at in self._not_before.items() if name != key]
        self._not_before = {**dict(kept[-REMEMBERED:]), key: self._clock() + seconds}

    def _still(self, target: Target, found: Deployment) -> bool:
        """Return whether nothing has come between, while the version was looked up."""
        return candidate(self._store, target) == Candidate(found)
