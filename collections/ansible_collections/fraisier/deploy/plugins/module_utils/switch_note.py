# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""When a checkout was moved to a release: by it a process is told to be of this one or of another.

All releases of a checkout share one folder, so the folder that a process works in says nothing.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from .files import read_json, write_json
from .processes import boot_id, boot_time, start_time
from .releases import Layout

UNKNOWN = "unknown"
TICK = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Switch:
    """A move to `release` that began at `asked` and was over at `done`, seconds since boot `boot`.

    `before`: the release whose process ran then, `unknown`, or None for none. `done` None: the move
    was cut short, or is under way.
    """

    release: str
    before: str | None
    boot: str
    asked: float
    done: float | None = None


_FIELDS = tuple(Switch.__dataclass_fields__)


def begin(layout: Layout, release: str, before: str | None) -> Switch:
    """Note that the files are about to become those of a release."""
    return _write(layout, Switch(release, before, boot_id(), boot_time()))


def finish(layout: Layout, switch: Switch) -> None:
    """Note that the files are those of the release."""
    _write(layout, replace(switch, done=boot_time()))


def read(layout: Layout) -> Switch | None:
    """Return the last switch; None when there was none."""
    data: dict[str, Any] | None = read_json(_path(layout))
    return None if data is None else Switch(**{name: data[name] for name in _FIELDS})


def unfinished(layout: Layout) -> bool:
    """True when the last switch was cut short: the files may be of two releases."""
    switch = read(layout)
    return switch is not None and switch.done is None


def release_of(switch: Switch, pid: int) -> str | None:
    """Return the release that a process was started from."""
    ticks = start_time(pid)
    return None if ticks is None else release_at(switch, ticks * TICK, boot_id())


def started_at(pid: int) -> float | None:
    """Return when a process started, in Unix seconds; None when there is none."""
    ticks = start_time(pid) if pid else None
    return None if ticks is None else time.time() - boot_time() + ticks * TICK


def release_at(switch: Switch, started: float, boot: str) -> str | None:
    """Return the release of a process that started so many seconds after the boot `boot`.

    Between the beginning and the end of a switch a process may have found files of both.
    """
    if switch.boot != boot:
        return switch.release if switch.done is not None else UNKNOWN
    if switch.done is not None and started + TICK >= switch.done:
        return switch.release
    return switch.before if started < switch.asked else UNKNOWN


def _write(layout: Layout, switch: Switch) -> Switch:
    write_json(_path(layout), asdict(switch))
    return switch


def _path(layout: Layout) -> str:
    return os.path.join(layout.state, "switch.json")
