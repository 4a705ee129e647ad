#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists, takes and restores the backups of a deployed service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: List, take or restore backups of a deployed service
version_added: 0.1.0
description:
  - What a backup holds, C(service.around.backup) says; the paths as a tar.gz, and the output of a
    command, such as a dump of a database. Both are in a folder that only root reads.
  - A backup that was taken has been read back from the disk. One whose digest is not what was
    recorded is not restored.
  - Taking and restoring are refused while a deployment is at work on the host.
options:
  action:
    description:
      - With V(restore), the service is stopped, the paths are exchanged by renames, the dump is fed
        to C(restore_command), the service is started and must pass its health gate.
    type: str
    choices: [list, take, restore]
    default: list
  id:
    description: For O(action=restore), which backup; the newest when left out.
    type: str
  first:
    description: Whether this host is the one that saves what is saved C(on) the first host only.
    type: bool
    default: true
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
- name: Take a backup now
  fraisier.deploy.backup:
    action: take
    service: "{{ my_service }}"
    fence: {installation: ansible, deployment: ansible-1}
  become: true

- name: Put the newest backup back
  fraisier.deploy.backup:
    action: restore
    service: "{{ my_service }}"
    fence: {installation: ansible, deployment: ansible-1}
  become: true
"""

RETURN = r"""
backup:
  description:
    - C(backups), those on the host, the one taken, or the one restored; each by C(id), C(at) (Unix
      seconds), C(why) (C(deployment) or C(asked)), C(deployment), C(version), C(paths), C(bytes)
      and C(files) with their C(sha256). With V(list) also the C(folder).
  returned: success
  type: dict
gate:
  description: How the health gate ended, by C(type), C(attempts), C(seconds), C(detail), C(passed).
  returned: always
  type: dict
steps:
  description: What was done, each by C(name), C(seconds) and C(changed).
  returned: always
  type: list
  elements: dict
log:
  description: Output of commands and of the service, each by C(step) and C(text).
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
  sample: backup_failed
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

from ..module_utils import app, backup_site
from ..module_utils.module import Module
from ..module_utils.options import service_options
from ..module_utils.redaction import hide
from ..module_utils.running import run_on_site
from ..module_utils.site import Site


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **service_options(),
            "action": {"type": "str", "choices": ["list", "take", "restore"], "default": "list"},
            "id": {"type": "str"},
            "first": {"type": "bool", "default": True},
        },
    )
    run_on_site(module, lambda site: {"backup": work(site, module)}, release=False)


def work(site: Site, module: Module) -> dict[str, Any]:
    """Do what the action asks for; no secret of what is deployed leaves the host."""
    options = module.params
    secrets = app.secret_values(site)
    hide(module, secrets)
    site.first = options["first"]
    if options["action"] == "list":
        return backup_site.listed(site)
    if options["action"] == "take":
        return backup_site.take(site)
    return backup_site.restore(site, options["id"])


if __name__ == "__main__":
    main()
