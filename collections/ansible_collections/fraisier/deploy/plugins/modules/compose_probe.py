#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what is true of a service in containers: what is current, what runs, who holds the fence."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_probe
short_description: See which release of a service in containers runs
version_added: 0.1.0
description:
  - Looks at the releases, at the service's containers and at the fence, and changes nothing.
  - With O(healthy=true), passes the health gate first, and fails where it is not passed.
  - With O(stop=true), first ends a module of the same installation that still runs.
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
  - fraisier.deploy.compose_service
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: See what runs
  fraisier.deploy.compose_probe:
    service: "{{ my_service }}"
"""

RETURN = r"""
release:
  description: The release that is current; null for none.
  returned: success
  type: dict
running:
  description: The release whose containers run, V(unknown), or null when nothing runs.
  returned: success
  type: str
containers:
  description: >-
    The containers of the service, each by C(name), C(image), C(state), C(health), C(restarts).
  returned: success
  type: list
  elements: dict
fence:
  description: Who holds the fence; null when nobody ever did.
  returned: success
  type: dict
releases:
  description: >-
    All releases, newest first, each by C(id), C(version), C(status), C(deployed_at), C(image).
  returned: success
  type: list
  elements: dict
gate:
  description: How the health gate ended, where it was asked for.
  returned: success
  type: dict
colours:
  description:
    - Where there are colours, their record, by C(live), C(staged), C(ports), C(releases) and
      C(backend), and their C(weights); null otherwise. The rest is then of the one that is live.
  returned: success
  type: dict
project:
  description: The Compose project.
  returned: success
  type: str
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

from dataclasses import asdict
from typing import Any

from ..module_utils.compose_app import pass_gate
from ..module_utils.compose_balancer import variables_of
from ..module_utils.compose_open import open_site
from ..module_utils.compose_options import compose_options, files_of, service_of
from ..module_utils.compose_probe import probe
from ..module_utils.ending import guarded
from ..module_utils.module import Module
from ..module_utils.seal import STOP, seal_where_asked


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **compose_options(fence=False),
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
    service = service_of(module)
    site = open_site(service, None, reads_file=False, files=files_of(module, service))
    done = seal_where_asked(site.ledger, options, module.check_mode, lambda: variables_of(site))
    if options["healthy"]:
        pass_gate(site, fresh=False)
    changed = done.stopped or done.sealed
    return {"changed": changed, **asdict(done), "gate": site.gate, **probe(site)}


if __name__ == "__main__":
    main()
