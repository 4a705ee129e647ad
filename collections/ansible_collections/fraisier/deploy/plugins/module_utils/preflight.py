# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Looking at a host before a deployment, and taking its fence."""

from __future__ import annotations

from . import in_place
from .deploy import served_before, take_over
from .host_check import check_host
from .prepare import fetch, try_fetch
from .site import Site, require_sha


def examine(site: Site, version: str | None) -> None:
    """Raise the Failure that `preflight` would, and change nothing."""
    user = check_host(site)
    site.try_enter()
    site.previous = served_before(site)
    if version is None:
        return
    require_sha(version)
    if site.layout.in_place:
        in_place.try_fetch(site, version, in_place.checkout_of(site, user))
    else:
        try_fetch(site, version)


def preflight(site: Site, version: str | None) -> None:
    """Check the host and take the fence; with a version, fetch it. Raises Failure."""
    user = check_host(site)
    site.enter(user)
    with site.report.step("check releases"):
        take_over(site, user)
        site.previous = served_before(site)
    if version is None:
        return
    require_sha(version)
    if site.layout.in_place:
        in_place.fetch(site, version, in_place.checkout_of(site, user))
    else:
        fetch(site, version)
