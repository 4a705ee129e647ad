# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What the runs of a job leave behind of themselves, read. Pure."""

from __future__ import annotations

from typing import Any


def under_way(began: str, now: float) -> dict[str, Any]:
    """Return what is told of a run that has not ended; `began` is its note of when it began."""
    started = float(began) if began.strip() else now
    return {
        "running": True,
        "result": "running",
        "exit_status": None,
        "started_at": round(started, 3),
        "seconds": round(now - started, 3),
    }


def ended_run(note: str) -> dict[str, Any] | None:
    """Read the note that a run left at its end; None where there is none.

    The exit status is None where a signal ended it, and the result says so.
    """
    words = note.split()
    if len(words) < 3:
        return None
    began, ended, result, *status = words
    told = status[0] if status else ""
    return {
        "running": False,
        "result": result,
        "exit_status": int(told) if told.isdigit() else None,
        "started_at": round(float(began), 3),
        "seconds": round(float(ended) - float(began), 3),
    }
