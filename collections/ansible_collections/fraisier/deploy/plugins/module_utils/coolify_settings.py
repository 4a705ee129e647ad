# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What Coolify is told of a release before it deploys: its version and its variables."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Mapping

from .coolify_resource import View
from .coolify_service import STACK
from .coolify_site import CoolifySite
from .failure import Failure
from .releases import Release

Variables = Mapping[str, "str | None"]


def configure(site: CoolifySite, view: View, version: str, wanted: Variables) -> bool:
    """Make Coolify's settings those of a release; returns whether that changed any.

    Variables that the release before had and this one has not are removed; all others are left
    alone, and so is one whose value (None) is not known.
    """
    changed = False
    if view.kind != STACK and version != view.configured:
        site.changed = changed = True
        site.resource.set_version(view, version)
    before: Variables = site.variables_of(site.previous) if _known(site) else {}
    if not wanted and not before:
        return changed
    found = site.resource.variables()
    different = {
        name: value
        for name, value in wanted.items()
        if value is not None and found.get(name, {}).get("value") != value
    }
    if different:
        site.changed = changed = True
        site.resource.set_variables(different)
    for name in sorted(set(before) - set(wanted)):
        if name in found:
            site.changed = changed = True
            site.resource.remove_variable(str(found[name].get("uuid")))
    return changed


def put_back(site: CoolifySite, touched: Variables) -> None:
    """Make the settings those of the release before again, as far as Coolify lets that be done."""
    previous = site.previous
    if previous is None or not _known(site):
        return
    with suppress(Failure):
        view = site.resource.view()
        before = dict(site.variables_of(previous))
        if view.kind != STACK and previous.version not in ("", "HEAD", view.configured):
            site.resource.set_version(view, previous.version)
        values = {name: value for name, value in before.items() if value is not None}
        if values:
            site.resource.set_variables(values)
        found = site.resource.variables() if set(touched) - set(before) else {}
        for name in sorted(set(touched) - set(before)):
            if name in found:
                site.resource.remove_variable(str(found[name].get("uuid")))


def read_now(site: CoolifySite, names: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what Coolify has of these variables; None for one whose value it does not show."""
    found = site.resource.variables() if names else {}
    have = {name: found[name].get("value") for name in names if name in found}
    return {name: value if isinstance(value, str) else None for name, value in have.items()}


def _known(site: CoolifySite) -> bool:
    release: Release | None = site.previous
    return release is not None and release.status != "unknown"
