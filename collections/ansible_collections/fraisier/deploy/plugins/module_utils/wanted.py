# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Where a way back is to lead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """Where to go back to: a release id, the newest good release of a version, or nothing at all.

    All of them unset means the release that served before. `mark_bad`: the one that is left
    failed, and is no candidate for a later way back.
    """

    to: str | None = None
    version: str | None = None
    nothing: bool = False
    mark_bad: bool = False
