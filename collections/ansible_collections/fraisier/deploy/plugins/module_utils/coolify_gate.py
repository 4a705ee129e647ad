# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The health gate of a service at Coolify: Coolify's own word, and the check that was asked for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from . import gate
from .check import Check
from .coolify_http import Api
from .coolify_resource import Resource, View
from .coolify_site import CoolifySite
from .failure import Failure
from .health import Place, attempt
from .judge import unhealthy

#: Seconds that a service of Coolify's must stay well: its status before the restart is told on.
SETTLES = 10.0
PATIENCE = 5.0


def healthy(site: CoolifySite, fresh: bool = False) -> None:
    """Run the health gate; raises Failure `health_check_failed`. `fresh`: deployed just now."""
    service = site.service
    check = service.check or Check(
        type="coolify", min_healthy=service.min_healthy or 0.0, deadline=service.deadline
    )
    check = replace(check, interval=max(check.interval, service.poll_interval))
    if not fresh:
        check = replace(check, delay=0.0, min_healthy=0.0)
    elif not service.is_application and service.min_healthy is None:
        check = replace(check, min_healthy=SETTLES)
    resource = Resource(service, Api(service.place, patience=PATIENCE))

    def try_once(limit: float) -> tuple[bool, str]:
        try:
            well, seen = judge(resource.view(), bool(service.check))
        except Failure as failure:
            if failure.code == "terminated":
                raise
            return False, failure.message
        if not well or service.check is None:
            return well, seen
        return attempt(check, Place(), limit)

    with site.report.step("gate"):
        verdict = gate.wait_until_healthy(check, try_once, lambda _thorough: None)
        site.gate = verdict.as_dict()
        if not verdict.passed:
            unhealthy(site, gate.failure(verdict, str(service)), _runs(resource))


def _runs(resource: Resource) -> bool:
    """Return whether Coolify says that the service runs; False where it says nothing."""
    with suppress(Failure):
        return resource.view().running
    return False


def judge(view: View, has_own_check: bool) -> tuple[bool, str]:
    """Return whether Coolify's status is a good one, and what it is.

    One without a word about health is good where Coolify has no check, or we have one.
    """
    state, _colon, rest = view.status.partition(":")
    health = rest.partition(":")[0]
    silent = health in ("", "unknown") and (has_own_check or not view.checked)
    return state == "running" and (health == "healthy" or silent), f"Coolify says {view.status}"
