# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Backups of a service in containers, asked for between deployments: list, take, restore."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import backup_restore, backups, colours, compose_around
from .compose_app import pass_gate, require_release, tell
from .compose_names import colour_name
from .compose_pair import remove
from .compose_site import ComposeSite
from .setting import Setting


def listed(site: ComposeSite) -> dict[str, Any]:
    """Return the backups on this host, newest first, and the folder they are in."""
    setting = _setting(site)
    home = backups.folder_of(setting.name, setting.around.backup)
    return {"backups": [backups.shown(each) for each in backups.records(home)], "folder": home}


def take(site: ComposeSite) -> dict[str, Any]:
    """Take a backup now, while no deployment is at work here."""
    setting = _setting(site)
    site.fence.hold(site.claim)
    try:
        site.changed = True
        taken = backups.take(setting, "asked")
    finally:
        site.fence.close()
    return {"backups": [taken] if taken else []}


def restore(site: ComposeSite, name: str | None) -> dict[str, Any]:
    """Put a backup back, the newest where none is named; the service must be well afterwards.

    Its own containers are stopped meanwhile, unless the configuration says otherwise; what it
    needs runs on, and volumes stay. Where the restore fails they stay stopped.
    """
    setting = _setting(site)
    release = require_release(site)
    site.fence.hold(site.claim)
    try:
        record = backup_restore.chosen(setting, name)
        stops = bool(setting.around.backup and setting.around.backup.stop)
        site.changed = True
        if stops:
            with site.report.step("stop") as step:
                step["changed"] = True
                _stop_beside(site)
                tell(site, release, "stop")
        backup_restore.put_back(setting, record)
        if stops:
            tell(site, release, "start")
    finally:
        site.fence.close()
    pass_gate(site, fresh=stops)
    return {"backups": [backups.shown(record)]}


def _stop_beside(site: ComposeSite) -> None:
    """Stop the colour that does not serve: it has the files open, and may go back to serving."""
    record = colours.read(site.layout.state)
    idle = record.idle if record else ""
    if record is None or record.live is None or record.release_of(idle) is None:
        return
    kept = replace(record.with_release(idle, None), staged=None)
    colours.write(site.layout.state, kept)
    remove(site, colour_name(site.service.service, idle))


def _setting(site: ComposeSite) -> Setting:
    site.previous = require_release(site)
    return compose_around.serving(site) or compose_around.setting_of(site, site.previous)
