# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Clean-up: what cannot be removed is warned of, and never decides how a run ends."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import Any, Iterator

from .failure import Failure
from .report import Report

#: Failures that say that this run has no right to go on; they are not the clean-up's.
_STOPS = ("terminated", "fence_stale", "fence_held")


def remove_tree(path: str) -> None:
    """Remove a folder with all in it that can be removed; raise OSError with the first that cannot.

    Its `filename` is the full path.
    """
    failed: list[OSError] = []

    def note(_function: object, where: str, found: Any) -> None:
        error = found[1]
        failed.append(OSError(error.errno, error.strerror, where))

    if os.path.lexists(path):
        shutil.rmtree(path, onerror=note)
    if failed:
        raise failed[0]


@contextmanager
def tolerated(report: Report, warnings: list[str], step: str, what: str) -> Iterator[None]:
    """Let the removal of something fail: that is a warning, and the next run tries again."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _warn(report, warnings, step, f"{what}: {where}{error.strerror or error}")
    except Failure as failure:
        if failure.code in _STOPS:
            raise
        _warn(report, warnings, step, f"{what}: {failure.message}")


def _warn(report: Report, warnings: list[str], step: str, why: str) -> None:
    text = f"could not remove {why}; the next deployment tries again"
    warnings.append(text)
    report.say(step, f"warning: {text}")
