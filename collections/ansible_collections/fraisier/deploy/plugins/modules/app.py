#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a service that is deployed, restarts it, reads its log, or runs a command beside it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: app
short_description: See, restart, start or stop a deployed service, read its log, run a command
version_added: 0.1.0
description:
  - Works on the service between deployments. Releases, units and the fence stay as they are.
  - Restarting, starting and stopping are refused while a deployment is at work on the host.
  - Another provider offers the same to C(fraisier app) by a playbook for the verb C(app) in its
    C(provider.yml). The playbook finds C(fraisier_request.app) with C(action) and the options
    below; C(since), C(after) and C(login) hold one value for each host. A module of this
    collection answers with the same C(app); it may leave actions out, failing with a C(code).
options:
  action:
    description:
      - What to do. With V(restart) and V(start) the health gate must pass afterwards.
      - With V(exec) O(argv) is run as the service's user, in its release, with its environment.
      - With V(examine) nothing is said of the service, but how the host is for those who log in.
    type: str
    choices: [status, logs, restart, start, stop, exec, examine]
    default: status
  argv:
    description: For O(action=exec), the command as a list; no shell is involved.
    type: list
    elements: str
  timeout:
    description: For O(action=exec), seconds that the command may take.
    type: float
    default: 600
  lines:
    description: For O(action=logs), how many of the last entries.
    type: int
  since:
    description: For O(action=logs), no entries before this time, as journalctl takes it.
    type: str
  after:
    description: For O(action=logs), only entries behind this cursor of an earlier answer.
    type: str
  login:
    description: For O(action=examine), the account that logs in; the one that did when left out.
    type: str
extends_documentation_fragment:
  - fraisier.deploy.service
  - fraisier.deploy.fence
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: none
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Restart a service and wait until it is well
  fraisier.deploy.app:
    action: restart
    service: "{{ my_service }}"
    fence: {installation: ansible, deployment: ansible-1}
  become: true

- name: Run a command of the release
  fraisier.deploy.app:
    action: exec
    argv: [bin/manage, migrate]
    service: "{{ my_service }}"
    fence: {installation: ansible, deployment: ansible-1}
  become: true
  register: my_command
  failed_when: my_command is failed or my_command.app.exit_status != 0
"""

RETURN = r"""
app:
  description:
    - For V(status), V(restart), V(start) and V(stop), what M(fraisier.deploy.release_probe)
      returns, with C(ok) (it runs), C(since) (Unix seconds) and C(memory_bytes).
    - For V(logs), C(entries) (each with C(at) in Unix seconds, C(source) and C(text)), the
      C(cursor) behind them, C(now), and in C(left_out) how many did not fit.
    - For V(exec), C(exit_status), C(output) and C(timed_out). A command that fails is no failure of
      the module.
    - For V(examine), C(clock) in Unix seconds, C(disk), C(shell) and C(python).
  returned: success
  type: dict
gate:
  description: How the health gate ended, by C(type), C(attempts), C(seconds), C(detail), C(passed).
  returned: always
  type: dict
release:
  description: The release that is current, by C(id), C(version), C(status).
  returned: always
  type: dict
steps:
  description: What was done, each by C(name), C(seconds) and C(changed).
  returned: always
  type: list
  elements: dict
log:
  description: Output of the service where it did not get well, by C(step) and C(text).
  returned: always
  type: list
  elements: dict
app_path:
  description: The folder of the application.
  returned: always
  type: str
code:
  description: What went wrong, for programs.
  returned: failure
  type: str
hint:
  description: What to do next.
  returned: failure
  type: str
step:
  description: The step in which it went wrong.
  returned: failure
  type: str
"""

from typing import Any

from ..module_utils import app, app_host, app_journal
from ..module_utils.module import Module
from ..module_utils.options import service_options
from ..module_utils.redaction import hide
from ..module_utils.running import run_on_site
from ..module_utils.seat import live_seat
from ..module_utils.site import Site

ACTIONS = ["status", "logs", "restart", "start", "stop", "exec", "examine"]


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **service_options(),
            "action": {"type": "str", "choices": ACTIONS, "default": "status"},
            "argv": {"type": "list", "elements": "str"},
            "timeout": {"type": "float", "default": 600},
            "lines": {"type": "int"},
            "since": {"type": "str"},
            "after": {"type": "str"},
            "login": {"type": "str"},
        },
        required_if=[("action", "exec", ("argv",))],
    )
    run_on_site(module, lambda site: {"app": work(site, module)}, release=False)


def work(site: Site, module: Module) -> dict[str, Any]:
    """Do what the action asks for; no secret of what is deployed leaves the host."""
    options, action = module.params, module.params["action"]
    if action == "examine":
        return app_host.examine(site, options["login"])
    secrets = app.secret_values(site)
    hide(module, secrets)
    if action == "status":
        return app.status(site)
    if action == "exec":
        return app.execute(site, options["argv"], options["timeout"])
    if action == "logs":
        unit, since = live_seat(site.service, site.layout).unit, options["since"]
        return app_journal.read(
            site.systemd, unit, options["lines"], since=since, after=options["after"]
        )
    return app.control(site, action)


if __name__ == "__main__":
    main()
