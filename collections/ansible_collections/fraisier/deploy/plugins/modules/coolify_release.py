#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys a version of a service at Coolify, or goes back to an earlier release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: coolify_release
short_description: Deploy a version of a service at Coolify, or restore an earlier release
version_added: 0.1.0
description:
  - With O(state=deployed), sets version and variables of a Coolify application, asks for one
    deployment, follows it to its end, and passes the health gate. A Coolify service is restarted.
    Deploying a named version that runs already changes nothing.
  - With O(state=restored), deploys an earlier release again with the variables it had.
  - A deployment is asked for once. Where Coolify's answer is lost, it is looked for.
  - A run that is ended cancels its deployment. A run that fails does not go back by itself.
options:
  state:
    description: What to do.
    type: str
    choices: [deployed, restored]
    default: deployed
  version:
    description: >-
      For an application built from git a commit of 40 digits, the newest of the branch
      when left out; for one of an image its tag or digest, as Coolify has it when left out; or the
      version whose good release to restore.
    type: str
  to:
    description: The id of the release to restore; the one that served before when left out.
    type: str
  nothing:
    description: Go back to nothing; Coolify is told to stop it.
    type: bool
    default: false
  mark_bad:
    description: Mark the release that is left as bad, no candidate for a later way back.
    type: bool
    default: false
  unhealthy:
    description:
      - How a rollback ends when the restored release runs but fails its health check. Use C(warn)
        where nobody knows the check that the release passed, so that the current check must not
        decide; C(around.warnings) has the warning.
    type: str
    choices: [fail, warn]
    default: fail
  release_fence:
    description: Give the fence up at the end, good or bad.
    type: bool
    default: true
extends_documentation_fragment:
  - fraisier.deploy.coolify_service
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
- name: Deploy a commit
  fraisier.deploy.coolify_release:
    version: 2b5c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c
    service:
      fraise: my_api
      environment: production
      url: https://coolify.example.com
      application_uuid: ggw0s4kcs8k4ckwosgk0k4sk
    secret_environment:
      DATABASE_URL: "{{ database_url }}"
    secret_coolify: {token: "{{ coolify_token }}"}
    fence: {installation: ansible, deployment: ansible-1}

- name: Go back to the release that served before
  fraisier.deploy.coolify_release:
    state: restored
    service: "{{ my_service }}"
    secret_coolify: {token: "{{ coolify_token }}"}
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
around:
  description: By C(warnings), what could not be removed of earlier releases; it is tried again.
  returned: always
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
  description: Output of Coolify's deployments, and remarks, each by C(step) and C(text).
  returned: always
  type: list
  elements: dict
diff:
  description: Coolify's settings before and after, without secrets.
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

from ..module_utils.coolify_deploy import deploy, preview
from ..module_utils.coolify_options import coolify_options, service_of
from ..module_utils.coolify_restore import preview_restore, restore
from ..module_utils.coolify_site import CoolifySite
from ..module_utils.module import Module
from ..module_utils.options import claim
from ..module_utils.redaction import hide
from ..module_utils.running import run_with
from ..module_utils.wanted import Wanted


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **coolify_options(fence=True),
            "state": {"type": "str", "choices": ["deployed", "restored"], "default": "deployed"},
            "version": {"type": "str"},
            "to": {"type": "str"},
            "nothing": {"type": "bool", "default": False},
            "mark_bad": {"type": "bool", "default": False},
            "unhealthy": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
            "release_fence": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run_with(
        module,
        lambda: CoolifySite(service_of(module), claim(module.params["fence"])),
        lambda site: work(site, module),
        module.params["release_fence"],
    )


def work(site: CoolifySite, module: Module) -> dict[str, Any]:
    """Do what the state asks for."""
    options, old = module.params, site.recorded_secrets()
    hide(module, old)
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
    site.lenient = options["unhealthy"] == "warn"
    if module.check_mode:
        return preview_restore(site, wanted)
    restore(site, wanted)
    return {}


if __name__ == "__main__":
    main()
