#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what is true on a host: what is current, what runs, who holds the fence."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_probe
short_description: See which release of a service a host runs
version_added: 0.1.0
description:
  - Looks at the releases, at the service's process and at the fence, and changes nothing.
  - With O(stop=true), first ends a module of the same installation that still runs on the host, and
    waits a while for what systemd still does with the unit.
options:
  app_path:
    description: The folder that holds the releases, or the checkout.
    type: str
    required: true
  layout:
    description: How releases lie in O(app_path).
    type: str
    choices: [releases, in_place]
    default: releases
  systemd_service:
    description: The unit of the service.
    type: str
    required: true
  systemd_scope:
    description: Whose systemd runs the unit.
    type: str
    choices: [system, user]
    default: system
  stop:
    description: End a run of O(installation) that is still under way, and wait until it is gone.
    type: bool
    default: false
  installation:
    description: The installation whose run is ended.
    type: str
  deployment:
    description: With O(turn), the deployment that the fence is taken for; its holder's if left out.
    type: str
  turn:
    description: >-
      With O(stop=true), also take the fence with this turn and give it up again, so that a step of
      O(deployment) with a lower one is refused although it is on its way already.
    type: int
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: See what runs
  fraisier.deploy.release_probe:
    app_path: /opt/my-api
    systemd_service: my-api.service
  become: true
"""

RETURN = r"""
release:
  description: The release that C(current) names; null for none.
  returned: success
  type: dict
running:
  description: The release whose process runs, V(unknown), or null when nothing runs.
  returned: success
  type: str
checkout:
  description:
    - With O(layout=in_place), what is checked out (C(head)) and the files that were changed
      (C(changes)); null otherwise.
  returned: success
  type: dict
unit:
  description: The unit, by C(name), C(active_state), C(sub_state), C(main_pid), C(n_restarts).
  returned: success
  type: dict
fence:
  description: Who holds the fence; null when nobody ever did.
  returned: success
  type: dict
releases:
  description: All releases, newest first, each by C(id), C(version), C(status), C(deployed_at).
  returned: success
  type: list
  elements: dict
stopped:
  description: Whether a run was ended.
  returned: success
  type: bool
sealed:
  description: Whether the fence was taken with O(turn).
  returned: success
  type: bool
healed:
  description: False where a proxy or balancer could not be told to give all requests back.
  returned: success
  type: bool
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.ending import guarded
from ..module_utils.ledger import Ledger
from ..module_utils.options import SERVICE
from ..module_utils.probe import probe
from ..module_utils.releases import layout_of
from ..module_utils.seal import STOP, seal_where_asked
from ..module_utils.systemd import manager_for


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "app_path": {"type": "str", "required": True},
            "layout": SERVICE["layout"],
            "systemd_service": {"type": "str", "required": True},
            "systemd_scope": SERVICE["systemd_scope"],
            **STOP,
        },
        required_if=[("stop", True, ("installation",))],
        supports_check_mode=True,
    )
    guarded(module, lambda: work(module.params, module.check_mode))


def work(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look, after ending a leftover where that is asked for."""
    layout = layout_of(options["app_path"], options["layout"])
    done = seal_where_asked(Ledger(layout), options, check_mode)
    manager, unit = manager_for(options["systemd_scope"]), options["systemd_service"]
    if options["stop"]:
        manager.wait_for_job(unit)
    found = probe(layout, unit, manager)
    return {"changed": done.stopped or done.sealed, **asdict(done), **found}


if __name__ == "__main__":
    main()
