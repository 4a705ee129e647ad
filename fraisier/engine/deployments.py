"""Requests: checked against the catalogue, resolved to one commit, then recorded."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.deployment import AS_CONFIGURED, Deployment
from fraisier.domain.errors import Refused, UsageError, VersionNotFound
from fraisier.domain.plan import check_plan
from fraisier.domain.ports import Filter, Inventories, NewDeployment, Repositories, Store
from fraisier.domain.reach import Reach
from fraisier.engine.bell import Bell
from fraisier.engine.earlier import SHORTEST, begins, to_go_back_to
from fraisier.engine.promotion import require_earlier_success, to_promote
from fraisier.engine.within import within

#: An image's tag, or its digest.
IMAGE_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Wish:
    """What a person asks for. `health_check_delay` is in seconds; None means as configured.

    `break_glass` is why it goes past freezes and deploy windows, where it does.
    """

    fraise: str
    environment: str
    triggered_by: str
    version: str | None = None
    strategy: str | None = None
    health_check_delay: float | None = None
    force: bool = False
    idempotency_key: str | None = None
    reason: str = ""
    backup: bool = True
    promoted_from: str | None = None
    break_glass: str | None = None


class Deployments:
    """Deployments as they are asked for and looked at.

    The `bell` rings for what workers wait for; `recover` settles what the dead left, where no
    server does that.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        repositories: Repositories,
        inventories: Inventories,
        bell: Bell | None = None,
        recover: Callable[[], None] = lambda: None,
    ) -> None:
        self._catalogue = catalogue
        self._store = self._whole = store
        self._repositories = repositories
        self._inventories = inventories
        self._bell = bell or Bell()
        self._recover = recover

    def within(self, reach: Reach) -> Deployments:
        """Return the same for one who reaches some targets only.

        What a target demands of others, such as a success in the environment before, still counts.
        """
        narrowed = copy(self)
        narrowed._catalogue = self._catalogue.within(reach)
        narrowed._store = within(self._whole, reach)
        return narrowed

    def target(self, fraise: str, environment: str) -> Target:
        """Return a target with its hosts, also where an inventory of the team's has to name them.

        Raises FraiseNotFound, EnvironmentNotFound or ConfigurationError.
        """
        found = self._catalogue.target(fraise, environment)
        if found.inventory is None:
            return found
        return replace(found, hosts=self._inventories.hosts(found.inventory))

    def deploy(self, wish: Wish, worker_id: str | None = None, trace_id: str = "") -> Deployment:
        """Record a request to bring a version to a target; raise NotFound, UsageError, Refused.

        Any worker may carry it out; with `worker_id` it is for that one alone. `trace_id` is what
        it has in common with others.
        """
        self._recover()
        again = self._repeated("deploy", wish)
        if again is not None:
            return again
        self._require_open(wish)
        return self._request(replace(self.draft(wish), trace_id=trace_id), worker_id)

    def draft(self, wish: Wish) -> NewDeployment:
        """Return the deployment that a wish comes to, recorded nowhere."""
        target = self.target(wish.fraise, wish.environment)
        strategy = self._strategy(target, wish, "deploy")
        version = self._version(target, wish.version)
        require_earlier_success(self._whole, target, version, wish.force)
        return self._new("deploy", target, strategy, version, wish)

    def promote(self, wish: Wish, source: str, worker_id: str | None = None) -> Deployment:
        """Record a request to bring to a target what succeeded last in the environment `source`.

        It is exactly that version, whatever the branch has by now. Raises as `deploy` does.
        """
        self._recover()
        asked = replace(wish, promoted_from=source)
        again = self._repeated("promote", asked)
        if again is not None:
            return again
        found = to_promote(self._catalogue, self._store, wish.fraise, source, wish.environment)
        self._require_open(wish)
        new = self.draft(replace(wish, version=found.version, promoted_from=found.id))
        return self._request(replace(new, fingerprint=_fingerprint("promote", asked)), worker_id)

    def go_on_from(
        self, found: Deployment, wish: Wish, still: Callable[[], bool]
    ) -> Deployment | None:
        """Record a request to bring to a target exactly what `found` brought to another one.

        `still()` is asked just before: None where it has become False. Raises as `deploy` does.
        """
        asked = replace(wish, version=found.version, promoted_from=found.id)
        again = self._repeated("promote", asked)
        if again is not None:
            return again
        self._require_open(asked)
        new = replace(self.draft(asked), fingerprint=_fingerprint("promote", asked))
        return self._request(new, None) if still() else None

    def rollback(self, wish: Wish, worker_id: str | None = None) -> Deployment:
        """Record a request to go back to a version that was good on this target."""
        self._recover()
        again = self._repeated("rollback", wish)
        if again is not None:
            return again
        target = self.target(wish.fraise, wish.environment)
        strategy = self._strategy(target, wish, "restore")
        version = to_go_back_to(self._store, target, wish.version)
        return self._request(self._new("rollback", target, strategy, version, wish), worker_id)

    def cancel(self, deployment_id: str, by: str) -> Deployment:
        """End a deployment that waits, or ask one that is worked on to stop; raise Refused.

        The attempt sees the wish within a second, wherever it runs, and goes back first.
        """
        self._recover()
        found = self._store.cancel(deployment_id, by)
        self._bell.ring()
        return found

    def resume(self, deployment_id: str, by: str) -> Deployment:
        """Let a deployment go on that waits for a person; raise Refused where it does not.

        The attempt sees the wish within a second, wherever it runs.
        """
        self._recover()
        return self._store.go_on(deployment_id, by)

    def unlock(self, fraise: str, environment: str, reason: str, by: str) -> str:
        """Release a held target and return the deployment that held it; raise Refused."""
        self._catalogue.target(fraise, environment)
        held = self._store.unlock(fraise, environment, reason, by)
        if held is None:
            raise Refused(f"{fraise} {environment} is not held")
        self._bell.ring()
        return held

    def _require_open(self, wish: Wish) -> None:
        """Raise Refused where the target takes no request now, before its repository is asked."""
        target = self._catalogue.target(wish.fraise, wish.environment)
        self._whole.require_open(target, past=bool(wish.break_glass))

    def _request(self, new: NewDeployment, worker_id: str | None) -> Deployment:
        found = self._store.request(new, worker_id)
        self._bell.ring()
        return found

    def _repeated(self, kind: str, wish: Wish) -> Deployment | None:
        """Return what the same request made before, where a key says that it may be a repeat."""
        if wish.idempotency_key is None:
            return None
        return self._store.repeated(
            wish.triggered_by, wish.idempotency_key, _fingerprint(kind, wish)
        )

    def _version(self, target: Target, named: str | None) -> str:
        """Ask the repository; what it does not know may be short for a version seen here."""
        if self._catalogue.providers[target.provider].versions == "image":
            return self._image_version(target, named)
        try:
            return self._repositories.resolve(target, named)
        except VersionNotFound:
            seen = self._seen(target, named or "")
            if seen is None:
                raise
            return seen

    def _image_version(self, target: Target, named: str | None) -> str:
        """Return the tag or digest named, or the content seen here that it is short for."""
        if named is None:
            return AS_CONFIGURED
        seen = self._seen(target, named)
        if seen is None and not IMAGE_VERSION.fullmatch(named):
            raise UsageError(
                f'"{named}" is neither an image\'s tag nor a digest',
                "name a tag such as 1.4.2, or a digest: sha256: and 64 hexadecimal digits",
            )
        return seen or named

    def _seen(self, target: Target, named: str) -> str | None:
        """Return the one version of this target's deployments that `named` is short for."""
        past = self._store.deployments(Filter(target.fraise, target.environment, limit=1000))
        found = {deployment.version for deployment in past if begins(deployment.version, named)}
        return found.pop() if len(found) == 1 and len(named) >= SHORTEST else None

    def _strategy(self, target: Target, wish: Wish, verb: str) -> str:
        provider = self._catalogue.providers[target.provider]
        return check_plan(provider, target, wish.strategy or target.strategy, verb)

    def _new(
        self, kind: str, target: Target, strategy: str, version: str, wish: Wish
    ) -> NewDeployment:
        options = {
            "health_check_delay": wish.health_check_delay,
            "force": wish.force,
            "reason": wish.reason,
            "no_backup": not wish.backup,
            "promoted_from": wish.promoted_from,
            "break_glass": wish.break_glass,
        }
        return NewDeployment(
            kind=kind,
            target=target,
            version=version,
            requested_version=wish.version,
            strategy=strategy,
            triggered_by=wish.triggered_by,
            idempotency_key=wish.idempotency_key,
            fingerprint=_fingerprint(kind, wish),
            options={name: value for name, value in options.items() if _said(value)},
        )


def _said(value: object) -> bool:
    """True for an option that was chosen; a delay of 0 seconds was."""
    return value is not None and value is not False and value != ""


def _fingerprint(kind: str, wish: Wish) -> str:
    """Return what two requests share only if they ask for the same."""
    asked = {**vars(wish)}
    for name, usual in (("backup", True), ("promoted_from", None), ("break_glass", None)):
        if asked[name] == usual:  # requests of an earlier version did not know it
            del asked[name]
    text = json.dumps({"kind": kind, **asked}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
