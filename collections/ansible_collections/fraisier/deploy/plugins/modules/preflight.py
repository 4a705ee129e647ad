#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a host before anything of a service on it is changed, and takes the fence."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check a host before a deployment, and take its fence
version_added: 0.1.0
description:
  - Checks that the host has what a deployment needs, takes or renews the fence, and fetches the
    version into the mirror, so that a missing version fails before any host is touched.
  - Makes the application's folder with its mirror; touches neither releases nor the unit.
  - In check mode it makes and keeps nothing; the version is fetched all the same, into a folder
    that is gone afterwards.
options:
  version:
    description: The full commit SHA to fetch; nothing is fetched when left out.
    type: str
extends_documentation_fragment:
  - fraisier.deploy.service
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
- name: See whether the host is ready
  fraisier.deploy.preflight:
    version: 8f0c9f3d2a6b1e4c5d7f8a9b0c1d2e3f4a5b6c7d
    service: "{{ my_service }}"
    fence: {installation: ansible, deployment: ansible-1}
  become: true
"""

RETURN = r"""
fence:
  description: The number of the fence that this run held; 0 when it held none.
  returned: always
  type: int
  sample: 7
switched:
  description: Whether C(current) names another release than before.
  returned: always
  type: bool
release:
  description: The release that C(current) names now, by C(id), C(version), C(status).
  returned: always
  type: dict
previous:
  description: The release that was current when the run began, by C(id), C(version), C(good).
  returned: always
  type: dict
colours:
  description:
    - With a proxy on the host, the record of its colours, by C(live), C(staged), C(ports),
      C(releases) and C(backend), what the proxy calls the service; null otherwise.
  returned: always
  type: dict
staged:
  description: The release that is staged, by C(id), C(version) and C(colour); null for none.
  returned: always
  type: dict
reused:
  description: Whether a release that was on the disk already was used.
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
  sample: health_check_failed
hint:
  description: What to do next.
  returned: failure
  type: str
step:
  description: The step in which it went wrong.
  returned: failure
  type: str
probe:
  description: What is true on the host, as M(fraisier.deploy.release_probe) returns it.
  returned: success
  type: dict
"""

from typing import Any

from ..module_utils.module import Module
from ..module_utils.options import proxy_options, service_options
from ..module_utils.preflight import examine, preflight
from ..module_utils.probe import probe
from ..module_utils.running import run_on_site
from ..module_utils.site import Site


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={**service_options(), **proxy_options(), "version": {"type": "str"}},
        supports_check_mode=True,
    )
    run_on_site(module, lambda site: work(site, module), release=False)


def work(site: Site, module: Module) -> dict[str, Any]:
    """Check the host and say what is true on it."""
    (examine if module.check_mode else preflight)(site, module.params["version"])
    return {"probe": probe(site.layout, site.service.systemd_service, site.systemd)}


if __name__ == "__main__":
    main()
