# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions share that bring a Compose file to another machine before the module runs."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils.failure import Failure
from .compose_tree import pack

#: Of what is sent: so much goes with the module itself; more is put on the host first.
INLINE_BYTES = 64 * 1024


class SendingAction(ActionBase):
    """Runs the module of the same name; on another machine than this one it works on files there.

    Where `sends` is True they come from here. The host is given large ones only when it does not
    have their content yet.
    """

    sends = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Do the task for one host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = dict(self._task.args)
        try:
            done = self._do(options, task_vars)
        except Failure as failure:
            done = _failed(failure)
        finally:
            with suppress(AnsibleConnectionFailure):
                self._remove_tmp_path(self._connection._shell.tmpdir)
        return {**result, **done}

    def _do(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        if self._connection.transport == "local":
            return self._module(options, task_vars)
        if not self.sends or options.get("state") in ("restored", "promoted"):
            return self._module({**options, "files": {}}, task_vars)
        data = pack(str(options["service"]["docker_compose_file"]))
        files = {"digest": hashlib.sha256(data).hexdigest()}
        if len(data) <= INLINE_BYTES:
            files["content"] = base64.b64encode(data).decode()
        done = self._module({**options, "files": files}, task_vars)
        if not done.get("files_wanted"):
            return done
        files["archive"] = self._send(data)
        return self._module({**options, "files": files}, task_vars)

    def _module(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(module_args=options, task_vars=task_vars)
        return done

    def _send(self, data: bytes) -> str:
        folder = self._make_tmp_path()
        remote: str = self._connection._shell.join_path(folder, "compose.tgz")
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(data)
        try:
            self._transfer_file(file.name, remote)
        finally:
            os.unlink(file.name)
        self._fixup_perms2((folder, remote))
        return remote


def _failed(failure: Failure) -> dict[str, Any]:
    return {
        "failed": True,
        "changed": False,
        "msg": failure.message,
        "code": failure.code,
        "hint": failure.hint,
        "step": failure.step or "send",
    }
