# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The options of the modules that work on Compose projects, and what they come to."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .compose_files import Files
from .compose_service import PULL, ComposeService, from_options
from .headers import with_secret_headers
from .options import FENCE, HEALTH_CHECK
from .redaction import hide

COMPOSE_HEALTH_CHECK: dict[str, Any] = {
    **HEALTH_CHECK,
    "type": {"type": "str", "choices": ["http", "tcp", "exec", "docker"], "required": True},
}

COMPOSE_SERVICE: dict[str, Any] = {
    "fraise": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "docker_compose_file": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "project_name": {"type": "str"},
    "env_vars": {"type": "dict", "default": {}},
    "pull": {"type": "str", "choices": [*PULL], "default": "missing"},
    "build_timeout": {"type": "float", "default": 1800},
    "pull_timeout": {"type": "float", "default": 600},
    "registries": {"type": "dict", "default": {}},
    "health_check": {"type": "dict", "options": COMPOSE_HEALTH_CHECK},
    "keep_releases": {"type": "int", "default": 5},
    "min_healthy_time": {"type": "float"},
    "healthy_deadline": {"type": "float", "default": 60},
    "around": {"type": "dict", "default": {}},
}


#: What the action tells of what it has sent; the content may hold secrets.
FILES: dict[str, Any] = {
    "digest": {"type": "str"},
    "content": {"type": "str", "no_log": True},
    "archive": {"type": "path"},
}


def compose_options(*, fence: bool) -> dict[str, Any]:
    """Return the options of a module that works on a service in containers."""
    options: dict[str, Any] = {
        "service": {"type": "dict", "required": True, "options": COMPOSE_SERVICE},
        "secret_environment": {"type": "dict", "default": {}, "no_log": True},
        "secret_headers": {"type": "dict", "default": {}, "no_log": True},
        "secret_registries": {"type": "dict", "default": {}, "no_log": True},
        "files": {"type": "dict", "options": FILES},
    }
    return {
        **options,
        **({"fence": {"type": "dict", "required": True, "options": FENCE}} if fence else {}),
    }


def service_of(module: AnsibleModule) -> ComposeService:
    """Return the service of a module's options; raises Failure `service_invalid`."""
    hide(module)
    options = module.params
    service = with_secret_headers(options["service"], options["secret_headers"])
    return from_options(service, options["secret_environment"], options["secret_registries"])


def files_of(module: AnsibleModule, service: ComposeService) -> Files | None:
    """Return what was sent here, or ends the module where it has to be sent first.

    None where the Compose file is this machine's own.
    """
    options = module.params["files"]
    if options is None:
        return None
    files = Files(service.file, service.project_name, options)
    if files.wanted:
        module.exit_json(changed=False, files_wanted=True)
    return files
