#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes servers out of a proxy while they change, and back in."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_drain
short_description: Take servers of a service out of a proxy, or back in
version_added: 0.1.0
description:
  - Runs on a host of the proxy that M(fraisier.deploy.proxy_backend) has told of the service.
  - Drained servers get no new requests, over reloads and restarts of the proxy too, until they are
    taken back. What they have under way may end.
  - Takes the fence that the service has on this proxy, so that a step that comes late is refused.
options:
  fraise:
    description: The name of the service.
    type: str
    required: true
  environment:
    description: The name of the environment.
    type: str
    required: true
  servers:
    description: The servers, by the names that the proxy has for them.
    type: list
    elements: str
    required: true
  state:
    description: Out of the proxy, or in it.
    type: str
    choices: [drained, ready]
    default: drained
  serving:
    description:
      - Those of them that have something to answer with, which the proxy's own check has to see up.
        By default all of them. For O(state=ready).
    type: list
    elements: str
  seconds:
    description: How long requests under way may take; with O(state=ready), the proxy's own check.
    type: float
    default: 30
extends_documentation_fragment:
  - fraisier.deploy.fence
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Let a host end its requests before it changes
  fraisier.deploy.proxy_drain:
    fraise: my_api
    environment: production
    servers: [web-1]
    fence: {installation: ansible, deployment: ansible-1}
  become: true
"""

RETURN = r"""
fence:
  description: The number of the fence that this run held; 0 when it held none.
  returned: always
  type: int
empty:
  description: Whether the requests under way ended in time.
  returned: always
  type: bool
steps:
  description: What was done, each by C(name), C(seconds) and C(changed).
  returned: always
  type: list
  elements: dict
log:
  description: Remarks, each by C(step) and C(text).
  returned: always
  type: list
  elements: dict
code:
  description: What went wrong, for programs.
  returned: failure
  type: str
hint:
  description: What to do next.
  returned: failure
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.options import FENCE, claim
from ..module_utils.proxy_site import ProxySite
from ..module_utils.running import run_with


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "fraise": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "servers": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "ready"], "default": "drained"},
            "serving": {"type": "list", "elements": "str"},
            "seconds": {"type": "float", "default": 30},
            "fence": {"type": "dict", "required": True, "options": FENCE},
        },
        supports_check_mode=True,
    )
    options = module.params
    run_with(
        module,
        lambda: ProxySite(options["fraise"], options["environment"], claim(options["fence"])),
        lambda site: work(site, options, module.check_mode),
        release=True,
    )


def work(site: ProxySite, options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Drain, or take back; in check mode say whether that would change anything."""
    servers, drain = options["servers"], options["state"] == "drained"
    if check_mode:
        site.fence.examine(site.claim)
        site.proxy.require()
        now = set(site.proxy.drained(site.backend))
        return {"changed": bool(set(servers) - now if drain else set(servers) & now)}
    site.enter()
    if drain:
        site.drain(servers, options["seconds"])
    else:
        serving = servers if options["serving"] is None else options["serving"]
        site.undrain(servers, serving, options["seconds"])
    return {}


if __name__ == "__main__":
    main()
