#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a service is healthy, and stays so."""

from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
short_description: Wait until a service is healthy
version_added: 0.1.0
description:
  - Tries a check until it has been good for O(min_healthy_time), fast at first.
  - Fails at once when the unit dies or is restarted meanwhile. Changes nothing.
options:
  health_check:
    description: What to try; the unit alone when left out.
    type: dict
    suboptions:
        type:
          description: What is asked.
          type: str
          choices: [http, tcp, exec, systemd]
          required: true
        url:
          description: For http, the URL.
          type: str
        method:
          description: For http, the method.
          type: str
          choices: [GET, HEAD, POST, OPTIONS]
          default: GET
        headers:
          description: For http, more headers.
          type: dict
          default: {}
        status:
          description: For http, a status or a list of them; any 2xx when left out.
          type: raw
        body:
          description: For http, a text that the body must contain.
          type: str
        validate_certs:
          description: For https, check the certificate.
          type: bool
          default: true
        host:
          description: For tcp, the host.
          type: str
          default: localhost
        port:
          description: For tcp, the port.
          type: int
        command:
          description: For exec, a string for sh or a list.
          type: raw
        timeout:
          description: Seconds one try may take, whatever the other side does.
          type: float
          default: 10
        delay:
          description: Seconds before the first try.
          type: float
          default: 0
        interval:
          description: The longest pause between tries, in seconds.
          type: float
          default: 1
        retries:
          description: How often to try again; until the deadline when left out.
          type: int
  systemd_service:
    description: The unit to watch meanwhile.
    type: str
  systemd_scope:
    description: Whose systemd runs the unit.
    type: str
    choices: [system, user]
    default: system
  min_healthy_time:
    description: Seconds it must stay healthy; 2 where only the unit is watched, else 0.
    type: float
  healthy_deadline:
    description: Seconds by when it must have become healthy.
    type: float
    default: 60
  port:
    description: Ask on this port instead; that of a colour, for example.
    type: int
  user:
    description: The user that an exec check runs as.
    type: str
  folder:
    description: The folder that an exec check runs in.
    type: path
  environment:
    description: The environment of an exec check.
    type: dict
    default: {}
  secret_environment:
    description: More environment of an exec check, never shown.
    type: dict
    default: {}
  secret_headers:
    description: >-
      More headers of an http check, never shown, by C(health_check/) and the header's name. Texts
      under 4 characters are not hidden.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Wait for the service
  fraisier.deploy.health_gate:
    health_check: {type: http, url: "http://localhost:8000/health", body: ok}
    systemd_service: my-api.service
    min_healthy_time: 5
"""

RETURN = r"""
gate:
  description: How it ended, by C(type), C(attempts), C(seconds), C(detail), C(passed).
  returned: always
  type: dict
code:
  description: What went wrong, for programs.
  returned: failure
  type: str
hint:
  description: What to do next.
  returned: failure
  type: str
"""

import os
from typing import Any

from ..module_utils import gate, systemd
from ..module_utils.commands import SYSTEM_PATH, find_user
from ..module_utils.ending import conclude, guarded
from ..module_utils.failure import Failure
from ..module_utils.headers import with_secret_headers
from ..module_utils.health import Place, parse
from ..module_utils.module import Module
from ..module_utils.options import HEALTH_CHECK, SERVICE
from ..module_utils.redaction import hide
from ..module_utils.seat import check_on


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            "health_check": {"type": "dict", "options": HEALTH_CHECK},
            "systemd_service": {"type": "str"},
            "systemd_scope": SERVICE["systemd_scope"],
            "min_healthy_time": {"type": "float"},
            "healthy_deadline": {"type": "float", "default": 60},
            "port": {"type": "int"},
            "user": {"type": "str"},
            "folder": {"type": "path"},
            "environment": {"type": "dict", "default": {}},
            "secret_environment": {"type": "dict", "default": {}, "no_log": True},
            "secret_headers": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    hide(module)
    guarded(module, lambda: work(module))


def work(module: Module) -> dict[str, Any]:
    """Run the gate; ends the module itself when the gate is not passed."""
    options = module.params
    given = with_secret_headers(options, options["secret_headers"])["health_check"]
    check = parse(given, options["min_healthy_time"], options["healthy_deadline"])
    if options["port"] is not None:
        check = check_on(check, options["port"])
    unit = options["systemd_service"]
    manager = systemd.manager_for(options["systemd_scope"])
    verdict = gate.require_healthy(check, place(options), unit, fresh=False, manager=manager)
    if not verdict.passed:
        log = manager.journal(unit) if unit else ""
        failure: Failure = gate.failure(verdict, unit or "the service", log)
        entries = [{"step": "gate", "text": log}]
        conclude(module, failure, {"gate": verdict.as_dict(), "changed": False, "log": entries})
    return {"changed": False, "gate": verdict.as_dict()}


def place(options: dict[str, Any]) -> Place:
    """Return where an exec check runs."""
    user = find_user(options["user"]) if options["user"] and os.geteuid() == 0 else None
    given = {**options["environment"], **options["secret_environment"]}
    environment = {name: str(value) for name, value in given.items()}
    return Place(user, options["folder"], {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", **environment})


if __name__ == "__main__":
    main()
