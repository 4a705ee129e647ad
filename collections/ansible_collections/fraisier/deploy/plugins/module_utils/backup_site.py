# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Backups of a service under systemd, asked for between deployments: list, take, restore."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import backup_restore, backups, colours
from .activate import pass_gate, start_unit
from .app import STOP_SECONDS, require_release
from .commands import find_user
from .failure import Failure
from .redaction import shorten
from .release_around import setting_of
from .seat import Seat, colour_seat, plain_seat
from .setting import Setting
from .site import Site


def listed(site: Site) -> dict[str, Any]:
    """Return the backups on this host, newest first, and the folder they are in."""
    setting = _setting(site)
    home = backups.folder_of(setting.name, setting.around.backup)
    return {"backups": [backups.shown(each) for each in backups.records(home)], "folder": home}


def take(site: Site) -> dict[str, Any]:
    """Take a backup now, while no deployment is at work here."""
    setting = _setting(site)
    site.fence.hold(site.claim)
    try:
        site.changed = True
        taken = backups.take(setting, "asked")
    finally:
        site.fence.close()
    return {"backups": [taken] if taken else []}


def restore(site: Site, name: str | None) -> dict[str, Any]:
    """Put a backup back, the newest where none is named; the service must be well afterwards.

    It is stopped meanwhile, unless the configuration says otherwise. Where the restore fails, it
    stays stopped: what it would find may be half of it.
    """
    release = require_release(site)
    user = find_user(site.service.service_user)
    setting = setting_of(site, release, user)
    site.fence.hold(site.claim)
    try:
        record = backup_restore.chosen(setting, name)
        stops = bool(setting.around.backup and setting.around.backup.stop)
        unit = _seat(site).unit if stops else ""
        site.changed = True
        if unit:
            _stop_beside(site)
            _stop(site, unit)
        backup_restore.put_back(setting, record)
        if unit:
            with site.report.step("start"):
                start_unit(site, unit)
    finally:
        site.fence.close()
    pass_gate(site, release, user, fresh=bool(unit), seat=_seat(site))
    return {"backups": [backups.shown(record)]}


def _setting(site: Site) -> Setting:
    site.previous = require_release(site)
    return setting_of(site, site.previous, find_user(site.service.service_user))


def _seat(site: Site) -> Seat:
    """Return where the service runs now: its own seat, or that of its live colour."""
    record = colours.read(site.layout.state)
    if record is None or record.live is None:
        return plain_seat(site.service, site.layout)
    return colour_seat(site.service, site.layout, record.live, record.ports[record.live])


def _stop_beside(site: Site) -> None:
    """Stop the colour that does not serve: it has the files open, and may go back to serving."""
    record = colours.read(site.layout.state)
    idle = record.idle if record else ""
    if record is None or record.live is None or record.release_of(idle) is None:
        return
    kept = replace(record.with_release(idle, None), staged=None)
    colours.write(site.layout.state, kept)
    unit = colour_seat(site.service, site.layout, idle, record.ports[idle]).unit
    with site.report.step("stop the other colour") as step:
        step["changed"] = True
        site.systemd.systemctl("disable", "--now", "--", unit, timeout=STOP_SECONDS)


def _stop(site: Site, unit: str) -> None:
    with site.report.step("stop") as step:
        step["changed"] = True
        finished = site.systemd.tell("stop", unit, timeout=STOP_SECONDS)
        if finished.code != 0:
            raise Failure(
                "stop_failed",
                f"systemctl stop {unit} failed: {shorten(finished.output.strip(), 300)}",
                "nothing was restored; see what keeps the service",
                finished.output,
            )
