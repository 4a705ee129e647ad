# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""How a module ends: with what its work returns, or with a failure in the shape that all use."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

from ansible.module_utils.basic import AnsibleModule

from .failure import Failure, from_os_error
from .redaction import know

T = TypeVar("T")


def conclude(module: AnsibleModule, failure: Failure, result: dict[str, Any]) -> None:
    """End the module with a failure, in the shape that all modules use."""
    module.fail_json(
        msg=failure.message, code=failure.code, hint=failure.hint, step=failure.step, **result
    )


def guarded(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> None:
    """Do work that needs no site, and end the module with what it returns or how it failed."""
    know(module.no_log_values)
    answer = outcome(work)
    if isinstance(answer, Failure):
        conclude(module, answer, {"changed": False})
    else:
        module.exit_json(**answer)


def outcome(work: Callable[[], T]) -> T | Failure:
    """Return what work returns, or its Failure; what else it raises is a defect of ours."""
    try:
        return work()
    except Failure as failure:
        return failure
    except OSError as error:
        known = from_os_error(error)
        if known is None:
            raise
        return known
