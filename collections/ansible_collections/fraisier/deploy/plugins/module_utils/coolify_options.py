# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The options of the modules that work with Coolify, and what they come to."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .coolify_service import CoolifyService, from_options
from .headers import with_secret_headers
from .options import FENCE, HEALTH_CHECK
from .redaction import hide

COOLIFY_HEALTH_CHECK: dict[str, Any] = {
    **{name: option for name, option in HEALTH_CHECK.items() if name != "command"},
    "type": {"type": "str", "choices": ["http", "tcp"], "required": True},
}

COOLIFY_SERVICE: dict[str, Any] = {
    "fraise": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "application_uuid": {"type": "str"},
    "service_uuid": {"type": "str"},
    "env_vars": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 540},
    "request_timeout": {"type": "float", "default": 30},
    "poll_interval": {"type": "float", "default": 2},
    "wait_for_others": {"type": "float", "default": 0},
    "pull_latest": {"type": "bool", "default": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_file": {"type": "str"},
    "health_check": {"type": "dict", "options": COOLIFY_HEALTH_CHECK},
    "keep_releases": {"type": "int", "default": 5},
    "min_healthy_time": {"type": "float"},
    "healthy_deadline": {"type": "float", "default": 60},
}


def coolify_options(*, fence: bool) -> dict[str, Any]:
    """Return the options of a module that works with Coolify."""
    options: dict[str, Any] = {
        "service": {"type": "dict", "required": True, "options": COOLIFY_SERVICE},
        "secret_environment": {"type": "dict", "default": {}, "no_log": True},
        "secret_headers": {"type": "dict", "default": {}, "no_log": True},
        "secret_coolify": {"type": "dict", "default": {}, "no_log": True},
    }
    return {
        **options,
        **({"fence": {"type": "dict", "required": True, "options": FENCE}} if fence else {}),
    }


def service_of(module: AnsibleModule) -> CoolifyService:
    """Return the service of a module's options; raises Failure."""
    hide(module)
    options = module.params
    service = with_secret_headers(options["service"], options["secret_headers"])
    return from_options(service, options["secret_environment"], options["secret_coolify"])
