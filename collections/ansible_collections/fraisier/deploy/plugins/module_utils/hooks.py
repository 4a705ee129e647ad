# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Hooks and smoke tests: commands and questions before and after a release begins to serve."""

from __future__ import annotations

from . import health
from .around import WARN, Entry
from .commands import Finished
from .setting import Setting, failed

#: Failures of a hook or smoke test after the switch: the release is bad.
GUILTY = ("hook_failed", "smoke_failed")


def run(setting: Setting, when: str) -> None:
    """Run the hooks of a moment, `pre_deployment` or `post_deployment`, in their order.

    Raises Failure `hook_failed` at the first that fails and may not.
    """
    for entry in setting.around.hooks.get(when, ()):
        _one(setting, entry, "hook", f"the {when} hook")


def smoke(setting: Setting) -> None:
    """Run the smoke tests, once each; raises Failure `smoke_failed`."""
    for entry in setting.around.smoke:
        _one(setting, entry, "smoke", "the smoke test")


def _one(setting: Setting, entry: Entry, step: str, what: str) -> None:
    with setting.report.step(step) as told:
        told["changed"] = entry.check is None
        setting.fence.check()
        finished = _tried(setting, entry)
        if finished.code == 0:
            setting.report.say(step, f"$ {entry.name}\n{finished.output}")
            return
        failure = failed(
            f"{step}_failed", f"{what} `{entry.name}`", finished, entry.timeout,
            "see the log; correct it, or let it warn only: on_failure: warn",
        )  # fmt: skip
        if entry.on_failure != WARN:
            failure.text = f"$ {entry.name}\n{finished.output}"
            raise failure
        setting.warnings.append(failure.message)
        setting.report.say(step, f"warning: {failure.message}\n$ {entry.name}\n{finished.output}")


def _tried(setting: Setting, entry: Entry) -> Finished:
    if entry.check is None:
        return setting.run(entry.command, entry.timeout)
    healthy, seen = health.attempt(setting.asked(entry.check), health.Place(), entry.timeout)
    return Finished(0 if healthy else 1, seen)
