#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks before a deployment at Coolify what can be checked, and takes the fence."""

from __future__ import annotations

DOCUMENTATION = r"""
module: coolify_preflight
short_description: Check before a deployment at Coolify what can be checked
version_added: 0.1.0
description:
  - Checks that Coolify answers, that its token may read, write and deploy, that the application or
    service is there, and that O(version) can mean something; and takes or renews the fence.
  - Changes nothing at Coolify.
options:
  version:
    description: >-
      The commit, or the image's tag or digest, that is to be deployed; as Coolify has it when left
      out.
    type: str
extends_documentation_fragment:
  - fraisier.deploy.coolify_service
  - fraisier.deploy.fence
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: See whether Coolify is ready
  fraisier.deploy.coolify_preflight:
    service: "{{ my_service }}"
    secret_coolify: {token: "{{ coolify_token }}"}
    fence: {installation: ansible, deployment: ansible-1}
"""

RETURN = r"""
fence:
  description: The number of the fence that this run held; 0 when it held none.
  returned: always
  type: int
  sample: 7
switched:
  description: Whether another release is current than before.
  returned: always
  type: bool
release:
  description: >-
    The release that is current now, by C(id), C(version) (a commit, an image's tag or digest),
    C(status) and C(uuid) (Coolify's deployment of it).
  returned: always
  type: dict
previous:
  description: The release that was current when the run began, by C(id), C(version), C(good).
  returned: always
  type: dict
reused:
  description: Whether a release that was recorded already was used.
  returned: always
  type: bool
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
  description: Output of Coolify's deployments, and remarks, each by C(step) and C(text).
  returned: always
  type: list
  elements: dict
probe:
  description: What runs, as M(fraisier.deploy.coolify_probe) returns it.
  returned: success
  type: dict
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

from ..module_utils.coolify_deploy import look
from ..module_utils.coolify_options import coolify_options, service_of
from ..module_utils.coolify_probe import probe
from ..module_utils.coolify_site import CoolifySite
from ..module_utils.module import Module
from ..module_utils.options import claim
from ..module_utils.running import run_with


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={**coolify_options(fence=True), "version": {"type": "str"}},
        supports_check_mode=True,
    )
    run_with(module, lambda: site_of(module), lambda site: work(site, module), release=False)


def site_of(module: Module) -> CoolifySite:
    """Return the site to look at."""
    return CoolifySite(service_of(module), claim(module.params["fence"]))


def work(site: CoolifySite, module: Module) -> dict[str, Any]:
    """Check, and say what is true at Coolify."""
    look(site, module.params["version"])
    if module.check_mode:
        site.try_enter()
    else:
        site.enter()
    site.previous = site.remembered()
    return {"probe": probe(site)}


if __name__ == "__main__":
    main()
