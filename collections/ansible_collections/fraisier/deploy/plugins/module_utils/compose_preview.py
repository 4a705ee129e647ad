# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What a run would change, without changing it: for check mode."""

from __future__ import annotations

from typing import Any

from . import colours
from .compose_conflicts import require_no_conflicts
from .compose_deploy import Candidate, pinned, unchanged
from .compose_images import builds_others, kept_name, predicted
from .compose_project import hidden, image_of
from .compose_restore import chosen
from .compose_service import check_version
from .compose_site import ComposeSite
from .compose_stage import check_colours
from .releases import Release
from .wanted import Wanted

START = {"step": "up", "why": "whether the containers start and become healthy is seen then"}


def preview(site: ComposeSite, version: str) -> dict[str, Any]:
    """Say what deploying a version would change: `diff` and `unpredictable`."""
    version = check_version(version)
    if site.coloured:
        check_colours(site)
    site.try_enter()
    site.previous = site.remembered()
    require_no_conflicts(site, site.project)
    image = predicted(site, version)
    if image is None or builds_others(site):
        project = dict(site.project)
        site.changed = True
        why = "which content the image has is known when it was built or pulled"
        unknown = [{"step": "image", "why": why}, START]
    else:
        project = pinned(site, kept_name(site, image.id))
        before = site.previous
        candidate = Candidate(image, image.id, project, site.environment(version))
        site.changed = not (before and unchanged(site, before, candidate))
        unknown = [START] if site.changed else []
    after = hidden(project, site.service.secrets.values())
    called = image_of(project, site.service.service)
    return {**_told(site, after, called), "unpredictable": unknown}


def preview_restore(site: ComposeSite, wanted: Wanted) -> dict[str, Any]:
    """Say what going back would change."""
    site.previous = site.remembered()
    if wanted.nothing:
        site.changed = site.previous is not None
        return {**_told(site, "", "nothing"), "unpredictable": []}
    release = chosen(site, wanted)
    site.changed = site.previous is None or release.id != site.previous.id
    after = site.shown(release)
    return {**_told(site, after, release.id), "unpredictable": [START] if site.changed else []}


def _told(site: ComposeSite, after: str, called: str) -> dict[str, Any]:
    before: Release | None = site.previous
    old = site.shown(before) if before else ""
    entry = {
        "before_header": f"{before.id if before else 'nothing'} (Compose file)",
        "after_header": f"{called} (Compose file)",
        "before": old,
        "after": after,
    }
    return {"diff": [entry] if old != after else []}


def preview_promotion(site: ComposeSite) -> dict[str, Any]:
    """Say what promoting would change."""
    site.previous = site.remembered()
    record = colours.read(site.layout.state)
    site.changed = bool(record and record.staged)
    return {"diff": [], "unpredictable": []}
