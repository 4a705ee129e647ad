# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""An AnsibleModule that shows no value of a header and no query of a URL."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .headers import without_values


class Module(AnsibleModule):
    """Hides them in its invocation, which Ansible shows at `-vvv`, and in the log of the host.

    Such a value need be no secret, so that it is not hidden in other texts as `no_log` would do:
    `https` or a number is part of many.
    """

    def exit_json(self, **kwargs: Any) -> None:
        """End the module well."""
        super().exit_json(**self._shown(kwargs))

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """End the module with an error."""
        super().fail_json(msg, **self._shown(kwargs))

    def _log_invocation(self) -> None:
        """Write the options to the log of the host (AnsibleModule calls this when it begins)."""
        whole = self.params
        self.params = without_values(whole)
        try:
            super()._log_invocation()
        finally:
            self.params = whole

    def _shown(self, result: dict[str, Any]) -> dict[str, Any]:
        options = without_values(getattr(self, "params", {}))
        return {"invocation": {"module_args": options}, **result}
