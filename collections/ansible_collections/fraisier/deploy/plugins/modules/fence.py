#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes, shows or gives up the fence of an application on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fence
short_description: Take, show or release the fence of an application on a host
version_added: 0.1.0
description:
  - The fence lets one deployment at a time work on an application. Its number only rises.
  - The modules of this collection take it themselves; this one is for roles of your own.
options:
  state:
    description: What to do.
    type: str
    choices: [acquired, released, shown]
    default: shown
  app_path:
    description: The folder of the application.
    type: str
    required: true
  layout:
    description: How releases lie in O(app_path).
    type: str
    choices: [releases, in_place]
    default: releases
  installation:
    description: The control plane, or V(ansible) for plain Ansible.
    type: str
  deployment:
    description: The deployment this belongs to.
    type: str
  expected:
    description: The highest number the installation has recorded for this host.
    type: int
  number:
    description: The number an earlier step of the same deployment took.
    type: int
  turn:
    description: >-
      The place of this step among the steps of the installation; of two steps of one deployment
      the one with the lower turn is refused once the other was here.
    type: int
  force:
    description: Take the fence from whoever holds it.
    type: bool
    default: false
  takeover:
    description: End a module of the same installation that still runs on the host.
    type: bool
    default: true
  wait:
    description: Seconds to wait for a run that holds the fence.
    type: float
    default: 10
  lease:
    description: Seconds after which others may take a fence that was not released.
    type: float
    default: 3600
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: none
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Take the fence
  fraisier.deploy.fence:
    state: acquired
    app_path: /opt/my-api
    installation: ansible
    deployment: ansible-1
  become: true
  register: my_fence

- name: Give it up
  fraisier.deploy.fence:
    state: released
    app_path: /opt/my-api
    installation: ansible
    deployment: ansible-1
    number: "{{ my_fence.fence }}"
  become: true
"""

RETURN = r"""
fence:
  description: The fence's number; 0 when nobody ever held it.
  returned: success
  type: int
holder:
  description: Who holds it, or held it last; null for nobody.
  returned: success
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
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.ending import guarded
from ..module_utils.failure import Failure
from ..module_utils.fence import Fence, read_holder
from ..module_utils.ground import require_own_folder
from ..module_utils.options import FENCE, SERVICE, claim
from ..module_utils.paths import check_app_path
from ..module_utils.releases import layout_of


def main() -> None:
    """Run the module."""
    identity = {name: {"type": "str"} for name in ("installation", "deployment")}
    states = ["acquired", "released", "shown"]
    module = AnsibleModule(
        argument_spec={
            **FENCE,
            **identity,
            "state": {"type": "str", "choices": states, "default": "shown"},
            "app_path": {"type": "str", "required": True},
            "layout": SERVICE["layout"],
        },
        required_if=[("state", state, tuple(identity)) for state in states[:2]],
    )
    guarded(module, lambda: work(module.params))


def work(options: dict[str, Any]) -> dict[str, Any]:
    """Do what the state asks for."""
    problem = check_app_path(options["app_path"])
    if problem:
        raise Failure("service_invalid", f"app_path {problem}", "correct app_path")
    layout = layout_of(options["app_path"], options["layout"])
    if options["state"] != "shown":
        require_own_folder(os.path.dirname(layout.state))
        os.makedirs(os.path.dirname(layout.state), 0o755, exist_ok=True)
        os.makedirs(layout.state, 0o700, exist_ok=True)
        fence = Fence(layout.state)
        fence.acquire(claim(options))
        if options["state"] == "released":
            fence.release()
        fence.close()
    holder = read_holder(layout.state + "/fence.json")
    return {
        "changed": options["state"] != "shown",
        "fence": holder.number if holder else 0,
        "holder": asdict(holder) if holder else None,
    }


if __name__ == "__main__":
    main()
