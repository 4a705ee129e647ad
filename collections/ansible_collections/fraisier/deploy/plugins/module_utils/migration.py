# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The step that changes the database, once per target; and its way back, where it has one."""

from __future__ import annotations

import os
from typing import Any, Callable

from .around import Migrate
from .failure import Failure
from .files import read_json, remove_file, write_json
from .setting import Setting, failed

NOTE = "migration.json"
_UP = "the database may be half changed; see the log"
_DOWN = "look at the database, then deploy, or fraisier unlock; see the log"


def up(setting: Setting) -> bool:
    """Run the migration where this host is to; returns whether it did.

    Raises Failure `migration_failed`. A note of it stays until the next one, for the way back.
    """
    wanted = setting.around.migrate
    if wanted is None or not setting.here(wanted.on):
        return False
    with setting.report.step("migrate") as step:
        setting.fence.check()
        step["changed"] = True
        _write(setting, done=False)
        finished = setting.run(wanted.command, wanted.timeout)
        if finished.code != 0:
            remove_file(_path(setting.state))
            raise failed("migration_failed", "the migration", finished, wanted.timeout, _UP)
        _write(setting, done=True)
        setting.report.say("migrate", f"$ {' '.join(wanted.command)}\n{finished.output}")
    return True


def down(state: str, deployment: str, setting_of: Callable[[str], Setting | None]) -> bool:
    """Take back what this very deployment migrated here; returns whether there was anything.

    `setting_of` returns the setting of a release by id, None where its files are gone. Raises
    Failure `migration_down_failed`: what is in the database then fits neither release. It is
    begun once only: a second `down` could take back an earlier migration.
    """
    note = read_json(_path(state))
    if not note or note.get("deployment") != deployment:
        return False
    if note.get("back"):
        message = "taking the migration back was begun before, and did not end well"
        raise Failure("migration_down_failed", message, _DOWN)
    if not note.get("done"):
        return False
    setting = setting_of(str(note.get("release")))
    wanted = setting.around.migrate if setting else None
    if setting is None or wanted is None or not wanted.down:
        return False
    try:
        write_json(_path(state), {**note, "back": True})
    except OSError as error:
        message = f"taking the migration back could not be noted: {error}"
        raise Failure("migration_down_failed", message, _DOWN) from None
    _run_down(setting, wanted)
    remove_file(_path(state))
    return True


def _run_down(setting: Setting, wanted: Migrate) -> None:
    with setting.report.step("migrate down") as step:
        setting.fence.check()
        step["changed"] = True
        finished = setting.run(wanted.down, wanted.timeout)
        if finished.code != 0:
            what = "taking the migration back"
            raise failed("migration_down_failed", what, finished, wanted.timeout, _DOWN)
        setting.report.say("migrate down", f"$ {' '.join(wanted.down)}\n{finished.output}")


def _write(setting: Setting, done: bool) -> None:
    note: dict[str, Any] = {
        "deployment": setting.deployment,
        "release": setting.release,
        "version": setting.version,
        "done": done,
    }
    write_json(_path(setting.state), note)


def _path(state: str) -> str:
    return os.path.join(state, NOTE)
