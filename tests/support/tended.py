"""Hosts that do all that is asked of a service, for tests of who may ask and what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.outcome import HostOutcome, Outcome
from fraisier.domain.plan import Work
from fraisier.engine.deployments import Deployments
from fraisier.engine.hosts import Hosts
from fraisier.engine.tending import Tending
from fraisier.store import SqlStore
from support.fakes import PROVIDER

#: A provider whose services can be tended, and a service that can be saved.
TENDED = replace(PROVIDER, playbooks={**PROVIDER.playbooks, "app": "app", "backup": "backup"})
SAVED = {"around": {"backup": {"paths": ["/srv"]}}}


class Agreeing:
    """Hosts that do what they are asked, and answer with nothing."""

    def run(self, work: Work, on_facts: object, cancelled: Callable[[], bool]) -> Outcome:
        """Answer for every host."""
        said = {"app": {}, "backup": {"backups": []}}
        return Outcome("done", {h.name: HostOutcome(h.name, "ok", said) for h in work.hosts})


def agreeing(catalogue: Catalogue, deployments: Deployments, store: SqlStore) -> Tending:
    """Return what works with such hosts."""
    hosts = Hosts(catalogue, store, Agreeing())
    return Tending(deployments.target, store, lambda: nullcontext(hosts))
