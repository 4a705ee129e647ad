"""What a deployment would do, as far as that can be known without doing it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.deployment import Deployment, Status
from fraisier.domain.ids import now
from fraisier.domain.outcome import HostOutcome
from fraisier.domain.plan import Work, way_out
from fraisier.domain.ports import NewDeployment, Runner, Store
from fraisier.domain.reach import Reach
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.redacted import plain
from fraisier.engine.request import request_for

#: Stands in a request where a deployment's id would: nothing is recorded under it.
NAME = "preview"


class Previews:
    """Asks every host of a target, in check mode, what deploying there would change."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        deployments: Deployments,
        new_runner: Callable[[], Runner],
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._deployments = deployments
        self._new_runner = new_runner

    def within(self, reach: Reach) -> Previews:
        """Return the same for one who reaches some targets only."""
        narrowed = copy(self)
        narrowed._deployments = self._deployments.within(reach)
        return narrowed

    def deploy(self, wish: Wish) -> dict[str, Any]:
        """Return the plan of a deployment and what each host says of it; nothing is changed.

        `ok`: every host could do it, `would_change`: one at least would. Each host has `state`,
        `would_change`, `from` (its release now, or None), `diff` (Ansible's entries), `error`, and
        `unpredictable`: the steps that only doing them shows, each with `step` and `why`.
        Raises as a deployment does: NotFound, UsageError, ConfigurationError, RunnerError.
        """
        draft = self._deployments.draft(wish)
        target = draft.target
        work = Work(
            deployment_id=NAME,
            verb="deploy",
            playbook=self._catalogue.providers[target.provider].playbooks["deploy"],
            hosts=target.hosts,
            become=target.become,
            inventory=target.inventory,
            request=request_for(_unrecorded(draft), self._store.installation(), {}, check=True),
            secrets=target.secrets,
            timeout=target.strategy_config.progress_deadline,
            limit=f"progress_deadline ({target.strategy_config.progress_deadline:g} s)",
        )
        outcome = self._new_runner().run(work, lambda _facts: None, lambda: False)
        hosts = [_told(host) for host in outcome.hosts.values()]
        return {
            "fraise": target.fraise,
            "environment": target.environment,
            "provider": target.provider,
            "version": draft.version,
            "requested_version": draft.requested_version,
            "strategy": draft.strategy,
            "plan": plain(way_out(target, draft.strategy).as_json()),
            "hosts": hosts,
            "ok": outcome.ok,
            "would_change": any(host["would_change"] for host in hosts),
        }


def _told(host: HostOutcome) -> dict[str, Any]:
    return {
        "host": host.host,
        "state": host.state,
        "would_change": host.ok and bool(host.result.get("changed")),
        "from": host.result.get("previous"),
        "diff": _entries(host.result.get("diff")),
        "unpredictable": host.result.get("unpredictable", []),
        "error": dict(host.error) if host.error else None,
    }


def _entries(diff: Any) -> list[Any]:
    """Return Ansible's diff entries, of which a module may give one or a list."""
    return diff if isinstance(diff, list) else [diff] if diff else []


def _unrecorded(draft: NewDeployment) -> Deployment:
    return Deployment(
        id=NAME,
        kind=draft.kind,
        status=Status.PENDING,
        target=draft.target,
        version=draft.version,
        requested_version=draft.requested_version,
        strategy=draft.strategy,
        triggered_by=draft.triggered_by,
        trace_id=NAME,
        created_at=now(),
        options=dict(draft.options),
    )
