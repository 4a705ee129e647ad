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
  - With a proxy on the host (O(proxy)), the service runs as one of two colours, each with a port of
    its own on loopback. V(staged) starts a version as the idle one, without traffic; V(promoted)
    gives it all traffic; V(deployed) does both.
  - What C(service.around) says is done around the release, on this host, in the folder of the
    Compose file, with the variables of the release. C(docker compose) reaches its containers there.
  - Volumes and networks are never removed, nor other services of the project.
  - A run that fails does not go back by itself.
options:
  state:
    description: What to do.
    type: str
    choices: [deployed, staged, promoted, restored]
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
  - fraisier.deploy.compose_service
  - fraisier.deploy.proxy
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
  description: Whether a release that was recorded already was used.
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

from ..module_utils import compose_back, compose_stage
from ..module_utils.compose_deploy import deploy
from ..module_utils.compose_open import open_site
from ..module_utils.compose_options import compose_options, files_of, service_of
from ..module_utils.compose_preview import preview, preview_promotion, preview_restore
from ..module_utils.compose_restore import restore
from ..module_utils.compose_site import ComposeSite
from ..module_utils.front import from_options as front
from ..module_utils.module import Module
from ..module_utils.options import claim, proxy_options
from ..module_utils.running import run_with
from ..module_utils.wanted import Wanted

STATES = ("deployed", "staged", "promoted", "restored")


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            **compose_options(fence=True),
            **proxy_options(),
            "state": {"type": "str", "choices": [*STATES], "default": "deployed"},
            "version": {"type": "str"},
            "to": {"type": "str"},
            "nothing": {"type": "bool", "default": False},
            "mark_bad": {"type": "bool", "default": False},
            "unhealthy": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
            "release_fence": {"type": "bool", "default": True},
            "first": {"type": "bool", "default": True},
            "backup": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run_with(
        module,
        lambda: site_of(module),
        lambda site: work(site, module),
        module.params["release_fence"],
    )


def site_of(module: Module) -> ComposeSite:
    """Return the site to work on; what is there already needs no Compose file but its own."""
    options = module.params
    reads = options["state"] in ("deployed", "staged")
    version = options["version"] if reads else ""
    service, fence = service_of(module), claim(options["fence"])
    files, before = files_of(module, service), front(options)
    return open_site(service, fence, version or "", reads_file=reads, files=files, front=before)


def work(site: ComposeSite, module: Module) -> dict[str, Any]:
    """Do what the state asks for."""
    options = module.params
    site.first, site.backs_up = options["first"], options["backup"]
    state, version = options["state"], options["version"] or ""
    if state == "restored":
        return _restore(site, module)
    if module.check_mode:
        return preview(site, version) if state != "promoted" else preview_promotion(site)
    if state == "staged":
        compose_stage.stage(site, version)
    elif state == "promoted":
        compose_stage.promote(site)
    elif site.coloured:
        compose_stage.deploy(site, version)
    else:
        deploy(site, version)
    return {}


def _restore(site: ComposeSite, module: Module) -> dict[str, Any]:
    options = module.params
    wanted = Wanted(
        to=options["to"],
        version=options["version"],
        nothing=options["nothing"],
        mark_bad=options["mark_bad"],
    )
    site.lenient = options["unhealthy"] == "warn"
    if module.check_mode:
        return preview_restore(site, wanted)
    if site.coloured:
        compose_back.restore(site, wanted)
    else:
        restore(site, wanted)
    return {}


if __name__ == "__main__":
    main()
