#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks this machine before a deployment of a service in containers, and takes the fence."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_preflight
short_description: Check a machine before a deployment of a service in containers
version_added: 0.1.0
description:
  - Checks that the engine and Compose 2 are there, that the Compose file is good and has the
    service, that O(version) can mean an image, that the names, ports, addresses, external networks
    and external volumes that it needs can be had, and that the disk has room; and takes or renews
    the fence.
  - Touches no container and no image.
options:
  version:
    description: The tag or digest that is to be deployed; as the Compose file says when left out.
    type: str
extends_documentation_fragment:
  - fraisier.deploy.compose_service
  - fraisier.deploy.proxy
  - fraisier.deploy.fence
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: See whether the machine is ready
  fraisier.deploy.compose_preflight:
    service: "{{ my_service }}"
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
    The release that is current now, by C(id), C(version) (the image's content), C(status),
    C(image) (how it was asked for) and C(digest) (what the registry calls it).
  returned: always
  type: dict
previous:
  description: The release that was current when the run began, by C(id), C(version), C(good).
  returned: always
  type: dict
colours:
  description: With a proxy on the host, the record of its colours; null otherwise.
  returned: always
  type: dict
staged:
  description: The release that is staged, by C(id), C(version) and C(colour); null for none.
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
  description: Output of Docker and of the containers, each by C(step) and C(text).
  returned: always
  type: list
  elements: dict
project:
  description: The Compose project.
  returned: always
  type: str
probe:
  description: What runs, as M(fraisier.deploy.compose_probe) returns it.
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

from ..module_utils.colour_ground import traffic
from ..module_utils.compose_conflicts import require_no_conflicts
from ..module_utils.compose_deploy import check_machine
from ..module_utils.compose_images import predicted
from ..module_utils.compose_open import open_site
from ..module_utils.compose_options import compose_options, files_of, service_of
from ..module_utils.compose_probe import probe
from ..module_utils.compose_service import check_version
from ..module_utils.compose_site import ComposeSite
from ..module_utils.compose_stage import check_colours
from ..module_utils.front import from_options as front
from ..module_utils.module import Module
from ..module_utils.options import claim, proxy_options
from ..module_utils.running import run_with
from ..module_utils.setup_hint import naming_setup


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **compose_options(fence=True),
            **proxy_options(),
            "version": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run_with(module, lambda: site_of(module), lambda site: work(site, module), release=False)


def site_of(module: Module) -> ComposeSite:
    """Return the site to look at."""
    options = module.params
    service = service_of(module)
    files = files_of(module, service)
    fence, version, before = claim(options["fence"]), options["version"] or "", front(options)
    return open_site(service, fence, version, reads_file=True, files=files, front=before)


def work(site: ComposeSite, module: Module) -> dict[str, Any]:
    """Check the machine and say what is true on it."""
    check_machine(site)
    if site.coloured:
        check_colours(site)
        with naming_setup(site.service):
            traffic().require()
    require_no_conflicts(site, site.project)
    predicted(site, check_version(module.params["version"]))
    if module.check_mode:
        site.try_enter()
    else:
        site.enter()
    site.previous = site.remembered()
    return {"probe": probe(site)}


if __name__ == "__main__":
    main()
