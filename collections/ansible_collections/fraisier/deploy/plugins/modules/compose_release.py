#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys a version of a service in containers, or goes back to an earlier release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_release
short_description: Deploy a version of a service in containers, or restore an earlier release
version_added: 0.1.0
description:
  - With O(state=deployed), resolves the Compose file, pulls or builds the service's image, records
    both as a release, brings the service and what it needs up, and passes the health gate.
    Deploying what runs already changes nothing. A project that somebody started without Fraisier
    is taken as the release before.
  - With O(state=restored), brings up the recorded configuration of an earlier release with the very
    image it had.
  - Volumes and networks are never removed, nor other services of the project.
  - A run that fails does not go back by itself.
options:
  state:
    description: What to do.
    type: str
    choices: [deployed, restored]
    default: deployed
  version:
    description: >-
      A tag or digest of the service's image, as the Compose file says when left out; or the version
      whose good release to restore.
    type: str
  to:
    description: The id of the release to restore; the one that served before when left out.
    type: str
  nothing:
    description: Go back to nothing; the service's containers are stopped and removed.
    type: bool
    default: false
  mark_bad:
    description: Mark the release that is left as bad, no candidate for a later way back.
    type: bool
    default: false
  release_fence:
    description: Give the fence up at the end, good or bad.
    type: bool
    default: true
extends_documentation_fragment:
  - fraisier.deploy.compose_service
  - fraisier.deploy.fence
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
  diff_mode:
    description: Whether the module shows what would be different.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Deploy what the Compose file says
  fraisier.deploy.compose_release:
    service:
      fraise: my_api
      environment: development
      docker_compose_file: /srv/my-api/docker-compose.yml
      service: api
      health_check: {type: http, url: "http://localhost:8000/health"}
    secret_environment:
      DATABASE_URL: "{{ database_url }}"
    fence: {installation: ansible, deployment: ansible-1}

- name: Go back to the release that served before
  fraisier.deploy.compose_release:
    state: restored
    service: "{{ my_service }}"
    fence: {installation: ansible, deployment: ansible-2}
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
diff:
  description: The Compose file before and after, without secrets.
  returned: in check mode
  type: list
  elements: dict
unpredictable:
  description: What cannot be known without doing it, each by C(step) and C(why).
  returned: in check mode
  type: list
  elements: dict
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

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.compose_deploy import deploy
from ..module_utils.compose_options import compose_options, service_of
from ..module_utils.compose_preview import preview, preview_restore
from ..module_utils.compose_restore import restore
from ..module_utils.compose_site import ComposeSite, open_site
from ..module_utils.options import claim
from ..module_utils.running import run_with
from ..module_utils.wanted import Wanted


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **compose_options(fence=True),
            "state": {"type": "str", "choices": ["deployed", "restored"], "default": "deployed"},
            "version": {"type": "str"},
            "to": {"type": "str"},
            "nothing": {"type": "bool", "default": False},
            "mark_bad": {"type": "bool", "default": False},
            "release_fence": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run_with(
        module,
        lambda: site_of(module),
        lambda site: work(site, module),
        module.params["release_fence"],
    )


def site_of(module: AnsibleModule) -> ComposeSite:
    """Return the site to work on; going back needs no Compose file but its own."""
    options = module.params
    deploys = options["state"] == "deployed"
    version = options["version"] if deploys else ""
    return open_site(service_of(module), claim(options["fence"]), version or "", reads_file=deploys)


def work(site: ComposeSite, module: AnsibleModule) -> dict[str, Any]:
    """Do what the state asks for."""
    options = module.params
    if options["state"] == "deployed":
        if module.check_mode:
            return preview(site, options["version"])
        deploy(site, options["version"])
        return {}
    wanted = Wanted(
        to=options["to"],
        version=options["version"],
        nothing=options["nothing"],
        mark_bad=options["mark_bad"],
    )
    if module.check_mode:
        return preview_restore(site, wanted)
    restore(site, wanted)
    return {}


if __name__ == "__main__":
    main()
