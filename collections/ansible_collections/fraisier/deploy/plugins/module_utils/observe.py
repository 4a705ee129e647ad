# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Which release the service's process really runs, whatever the records say."""

from __future__ import annotations

import os

from . import switch_note
from .commands import SYSTEM_PATH, run, user_of
from .releases import Layout
from .switch_note import UNKNOWN
from .systemd import UnitState


def running_release(layout: Layout, state: UnitState) -> str | None:
    """Return the release that the service's process runs; None: nothing runs; else `unknown`."""
    if not state.main_pid:
        return UNKNOWN if state.active else None
    if layout.in_place:
        switch = switch_note.read(layout)
        return switch_note.release_of(switch, state.main_pid) if switch else UNKNOWN
    folder = working_folder(state.main_pid)
    prefix = layout.releases + "/"
    if not folder.startswith(prefix):
        return UNKNOWN
    return folder[len(prefix) :].split("/")[0].split(" ")[0]


def working_folder(pid: int) -> str:
    """Return the folder a process works in, empty when it cannot be known.

    Inside containers root may not look into another account's process; that account itself may.
    """
    link = f"/proc/{pid}/cwd"
    try:
        return os.readlink(link)
    except PermissionError:
        owner = user_of(os.stat(f"/proc/{pid}").st_uid)
    except FileNotFoundError:
        return ""
    if owner is None:
        return ""
    finished = run(["readlink", link], env={"PATH": SYSTEM_PATH}, timeout=5, user=owner)
    return finished.output.strip() if finished.code == 0 else ""
