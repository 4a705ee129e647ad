# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Decides whether a restored release that is unhealthy fails a rollback or only warns."""

from __future__ import annotations

from typing import Any, Protocol

from .failure import Failure
from .releases import GOOD, Release
from .report import Report


class Judged(Protocol):
    """A site. `lenient`: the check of now decides nothing; `doubtful`: it has failed."""

    lenient: bool
    doubtful: bool
    around: dict[str, Any]
    report: Report


def unhealthy(site: Judged, failure: Failure, running: bool) -> None:
    """Raise the Failure of a gate; only warn where the release runs, and the site is lenient."""
    if not (site.lenient and running):
        raise failure
    text = (
        f"{failure.message}; this decides nothing, as the check by which this release was healthy "
        "is not known, or lacks a secret"
    )
    site.doubtful = True
    site.around["warnings"].append(text)
    site.report.say("gate", f"warning: {text}\n{failure.text}")


def mark_of(site: Judged, release: Release) -> str:
    """Return how a release is marked that has passed: one that is doubtful stays as it was."""
    return release.status if site.doubtful else GOOD
