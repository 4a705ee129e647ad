# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions share that bring a commit to a host before the module runs there."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Mapping

from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils.failure import Failure
from ..module_utils.report import Report
from ..module_utils.source import checksum, from_options
from .archives import Archives, usable_folder

#: States that take what is on the host's disk already.
_ON_THE_DISK = ("promoted", "restored")


class PushingAction(ActionBase):
    """Runs the module of the same name; with `source: push` it makes the archive first.

    Where `sends` is True, the archive is put on the host for the module, and removed afterwards.
    """

    sends = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Do the task for one host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        report, options = Report(), dict(self._task.args)
        try:
            if _pushes(options):
                options.update(self._pushed(options, report))
            done = self._execute_module(module_args=options, task_vars=task_vars)
            if self._task.check_mode and _pushes(options) and "diff" in done:
                done["diff"] = [*done["diff"], *_difference(options, done)]
        except Failure as failure:
            done = _failed(failure)
        finally:
            self._clean_up()
        before = {"steps": report.steps, "log": report.log}
        return {**result, **done, **{key: [*before[key], *done.get(key, [])] for key in before}}

    def _clean_up(self) -> None:
        """Remove what was put on the host; how the task ended is not for this to change."""
        with suppress(AnsibleConnectionFailure):
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _pushed(self, options: Mapping[str, Any], report: Report) -> dict[str, str]:
        """Make the archive here, and put it on the host; returns what the module is told."""
        with report.step("archive"):
            _require_releases(options["service"])
            folder, problem = _cache()
            if problem:
                report.say("archive", f"the archive is not kept: {problem}")
            path = Archives(folder).archive(from_options(options).access, str(options["version"]))
        if not self.sends or self._task.check_mode:
            return {}
        with report.step("push") as step:
            step["changed"] = True
            return {"archive": self._send(path), "archive_checksum": checksum(path)}

    def _send(self, path: str) -> str:
        folder = self._make_tmp_path()
        remote: str = self._connection._shell.join_path(folder, "release.tgz")
        self._transfer_file(path, remote)
        self._fixup_perms2((folder, remote))
        return remote


def _pushes(options: Mapping[str, Any]) -> bool:
    service = options.get("service")
    pushed = isinstance(service, Mapping) and service.get("source") == "push"
    return bool(pushed and options.get("version") and options.get("state") not in _ON_THE_DISK)


def _require_releases(service: Mapping[str, Any]) -> None:
    """Raise Failure unless releases have folders of their own to unpack an archive into."""
    if service.get("layout") == "in_place":
        raise Failure(
            "service_invalid",
            "source push needs the layout releases: a checkout gets its commits by git",
            "use source: fetch, or layout: releases",
        )


def _cache() -> tuple[str, str | None]:
    """Return the folder of archives: one of this run where the usual one is not ours alone."""
    return usable_folder(os.environ, os.path.join(constants.DEFAULT_LOCAL_TMP, "fraisier"))


def _difference(options: Mapping[str, Any], done: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return how the files would differ, which the host cannot tell in check mode."""
    before = (done.get("previous") or {}).get("version")
    access = from_options(options).access
    return Archives(_cache()[0]).difference(access, before, str(options["version"]))


def _failed(failure: Failure) -> dict[str, Any]:
    return {
        "failed": True,
        "changed": False,
        "msg": failure.message,
        "code": failure.code,
        "hint": failure.hint,
        "step": failure.step,
    }
