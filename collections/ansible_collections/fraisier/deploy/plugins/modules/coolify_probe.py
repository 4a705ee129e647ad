#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what is true of a service at Coolify: what is current, what runs, who holds the fence."""

from __future__ import annotations

DOCUMENTATION = r"""
module: coolify_probe
short_description: See which release of a service runs at Coolify
version_added: 0.1.0
description:
  - Looks at the releases that this machine remembers, at what Coolify says of the application or
    service and its deployments, and at the fence, and changes nothing.
  - With O(healthy=true), passes the health gate first, and fails where it is not passed.
  - With O(stop=true), first ends a module of the same installation that still runs, and cancels the
    deployment at Coolify that it began.
options:
  healthy:
    description: Fail unless the service passes its health check.
    type: bool
    default: false
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
extends_documentation_fragment:
  - fraisier.deploy.coolify_service
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: See what runs
  fraisier.deploy.coolify_probe:
    service: "{{ my_service }}"
    secret_coolify: {token: "{{ coolify_token }}"}
"""

RETURN = r"""
release:
  description: The release that is current; null for none.
  returned: success
  type: dict
running:
  description: The release whose version runs, V(unknown), or null when nothing runs.
  returned: success
  type: str
containers:
  description: >-
    What Coolify says of it, as one container by C(name) (its uuid), C(image) (the version that the
    next deployment would have), C(state), C(health); C(restarts) is always 0.
  returned: success
  type: list
  elements: dict
under_way:
  description: The deployments of Coolify's that wait or work.
  returned: success
  type: list
  elements: str
fence:
  description: Who holds the fence; null when nobody ever did.
  returned: success
  type: dict
releases:
  description: >-
    All releases, newest first, each by C(id), C(version), C(status), C(deployed_at), C(uuid).
  returned: success
  type: list
  elements: dict
gate:
  description: How the health gate ended, where it was asked for.
  returned: success
  type: dict
stopped:
  description: Whether a run was ended, or a deployment of it at Coolify.
  returned: success
  type: bool
sealed:
  description: >-
    Whether the fence was taken with O(turn), and nothing that this machine began is under way at
    Coolify.
  returned: success
  type: bool
code:
  description: What went wrong, for programs.
  returned: failure
  type: str
  sample: health_check_failed
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

from ..module_utils.coolify_follow import stop_ours
from ..module_utils.coolify_gate import healthy
from ..module_utils.coolify_options import coolify_options, service_of
from ..module_utils.coolify_probe import probe, stand_on_what_runs
from ..module_utils.coolify_site import CoolifySite
from ..module_utils.ending import guarded
from ..module_utils.module import Module
from ..module_utils.seal import STOP, seal_where_asked


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **coolify_options(fence=False),
            "healthy": {"type": "bool", "default": False},
            **STOP,
        },
        required_if=[("stop", True, ("installation",))],
        supports_check_mode=True,
    )
    guarded(module, lambda: work(module))


def work(module: Module) -> dict[str, Any]:
    """Look, after ending a leftover and asking for health where that is wanted."""
    options = module.params
    site = CoolifySite(service_of(module), None)
    done = seal_where_asked(site.ledger, options, module.check_mode)
    stopped, sealed = done.stopped, done.sealed
    note = site.note() if options["stop"] and not module.check_mode else None
    if note is not None and (sealed or options["turn"] is None):
        left = stop_ours(site)
        stopped, sealed = stopped or not note.get("ended", False), sealed and left is None
        if left is None:
            stand_on_what_runs(site)
    if options["healthy"]:
        healthy(site)
    return {
        "changed": stopped or sealed,
        "stopped": stopped,
        "sealed": sealed,
        "gate": site.gate,
        **probe(site),
    }


if __name__ == "__main__":
    main()
