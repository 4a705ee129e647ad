#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys a version on a host, or goes back to an earlier release: all in one execution."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Deploy a version of a service on a host, or restore an earlier release
version_added: 0.1.0
description:
  - With O(state=deployed), fetches a commit, unpacks and builds it beside the running release,
    switches C(current) in one rename, restarts the unit, passes the health gate and removes old
    releases. Deploying what runs already changes nothing.
  - With a proxy on the host the service runs as one of two colours. O(state=deployed) then starts
    the version as the idle one, passes the gate on that one's own port, lets the proxy give it all
    requests, and stops what served before. O(state=staged) does the first half of that and
    O(state=promoted) the second, after which what served before may run on.
  - With O(state=restored), switches back to a release on the disk, restarts and passes the gate.
  - A run that fails leaves no half-made release. It does not go back by itself.
options:
  state:
    description: What to do.
    type: str
    choices: [deployed, staged, promoted, restored]
    default: deployed
  version:
    description: The full commit SHA to deploy; or the version whose good release to restore.
    type: str
  archive:
    description: The files of the version, where they are pushed; the action fills this in.
    type: path
  archive_checksum:
    description: The SHA-256 of O(archive); the action fills this in.
    type: str
  to:
    description: The id of the release to restore; the one that served before when left out.
    type: str
  nothing:
    description: Go back to nothing; the service is stopped and C(current) removed.
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
  first:
    description: Whether this is the host of its target on which the database is migrated.
    type: bool
    default: true
  backup:
    description: Take the backup that C(service.around.backup) describes before anything changes.
    type: bool
    default: true
  release_fence:
    description: Give the fence up at the end, good or bad.
    type: bool
    default: true
extends_documentation_fragment:
  - fraisier.deploy.service
  - fraisier.deploy.proxy
  - fraisier.deploy.fence
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
  diff_mode:
    description: Whether the module can say what would differ.
    details: In check mode.
    support: partial
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Deploy a commit
  fraisier.deploy.release:
    version: 8f0c9f3d2a6b1e4c5d7f8a9b0c1d2e3f4a5b6c7d
    service:
      fraise: my_api
      environment: production
      repository: https://git.example.com/my-org/my-api.git
      app_path: /opt/my-api
      service_name: my-api
      service_user: my-api
      exec: [bin/serve]
      health_check: {type: http, url: "http://localhost:8000/health"}
    secret_environment:
      DATABASE_URL: "{{ database_url }}"
    fence: {installation: ansible, deployment: ansible-1}
  become: true

- name: Go back to the release that served before
  fraisier.deploy.release:
    state: restored
    service: "{{ my_service }}"
    fence: {installation: ansible, deployment: ansible-2}
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
diff:
  description:
    - What would change, of the unit, of the environment, of the files. Of a secret only that it
      differs is shown. The files come as C(prepared) text, of which 32 KiB of the beginning and
      of the end are kept.
  returned: in check mode
  type: list
  elements: dict
unpredictable:
  description: What a dry run cannot know, each by C(step) and C(why).
  returned: in check mode
  type: list
  elements: dict
  sample: [{"step": "build", "why": "the build commands (2) are not run"}]
release:
  description:
    - The release that C(current) names now, by C(id), C(version), C(status). In check mode the one
      that would be; the C(id) of one that is not made yet is null.
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
around:
  description:
    - What was done around the release, by C(backup) (its C(id), C(paths), C(bytes), C(files) with
      C(sha256); null where none was taken), C(migrated) and C(warnings), what failed and may.
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
"""

from typing import Any

from ..module_utils import colour_deploy, colour_restore, deploy, preview, restore
from ..module_utils.module import Module
from ..module_utils.options import proxy_options, service_options
from ..module_utils.running import run_on_site
from ..module_utils.site import Site

STATES = ("deployed", "staged", "promoted", "restored")


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **service_options(),
            **proxy_options(),
            "state": {"type": "str", "choices": [*STATES], "default": "deployed"},
            "version": {"type": "str"},
            "archive": {"type": "path"},
            "archive_checksum": {"type": "str"},
            "to": {"type": "str"},
            "nothing": {"type": "bool", "default": False},
            "mark_bad": {"type": "bool", "default": False},
            "unhealthy": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
            "release_fence": {"type": "bool", "default": True},
            "first": {"type": "bool", "default": True},
            "backup": {"type": "bool", "default": True},
        },
        required_if=[("state", "deployed", ("version",)), ("state", "staged", ("version",))],
        supports_check_mode=True,
    )
    run_on_site(module, lambda site: work(site, module), module.params["release_fence"])


def work(site: Site, module: Module) -> dict[str, Any]:
    """Do what the state asks for."""
    options = module.params
    site.first, site.backs_up = options["first"], options["backup"]
    state, version = options["state"], options["version"]
    if state == "restored":
        return _restore(site, module)
    if module.check_mode:
        return preview.deployment(site, version) if state != "promoted" else preview.promotion(site)
    if state == "staged":
        colour_deploy.stage(site, version)
    elif state == "promoted":
        colour_deploy.promote(site, version)
    elif site.coloured:
        colour_deploy.deploy(site, version)
    else:
        deploy.deploy(site, version)
    return {}


def _restore(site: Site, module: Module) -> dict[str, Any]:
    options = module.params
    wanted = restore.Wanted(
        to=options["to"],
        version=options["version"],
        nothing=options["nothing"],
        mark_bad=options["mark_bad"],
    )
    site.lenient = options["unhealthy"] == "warn"
    if module.check_mode:
        return preview.way_back(site, wanted)
    if site.coloured:
        colour_restore.restore(site, wanted)
    else:
        restore.restore(site, wanted)
    return {}


if __name__ == "__main__":
    main()
