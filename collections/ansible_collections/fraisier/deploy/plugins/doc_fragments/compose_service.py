# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of the modules for Compose projects mean, written once."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that describe a service in containers."""

    DOCUMENTATION = r"""
options:
  service:
    description: The service, in the shape of the role's O(service) argument.
    type: dict
    required: true
    suboptions:
      fraise:
        description: The name of the service in fraises.yaml.
        type: str
        required: true
      environment:
        description: The name of the environment it runs in.
        type: str
        required: true
      docker_compose_file:
        description: The Compose file, an absolute path.
        type: str
        required: true
      service:
        description: The service in that file; what it depends on comes with it.
        type: str
        required: true
      project_name:
        description: The Compose project; as Compose itself names it when left out.
        type: str
      env_vars:
        description: Variables that the Compose file may refer to, no secrets.
        type: dict
        default: {}
      pull:
        description: When to ask the registry for the image.
        type: str
        choices: [always, missing, never]
        default: missing
      build_timeout:
        description: Seconds that a build may take.
        type: float
        default: 1800
      pull_timeout:
        description: Seconds that a pull may take.
        type: float
        default: 600
      registries:
        description: The user names of private registries, by registry.
        type: dict
        default: {}
      health_check:
        description: How to see that the service is well; as V(docker) when left out.
        type: dict
        suboptions:
          type:
            description: >-
              What is asked; V(docker) asks the container's own check, or that it
              stays up.
            type: str
            choices: [http, tcp, exec, docker]
            required: true
          url:
            description: For http, the URL, as this machine reaches it.
            type: str
          method:
            description: For http, the method.
            type: str
            choices: [GET, HEAD, POST, OPTIONS]
            default: GET
          headers:
            description: For http, more headers.
            type: dict
            default: {}
          status:
            description: For http, a status or a list of them; any 2xx when left out.
            type: raw
          body:
            description: For http, a text that the body must contain.
            type: str
          validate_certs:
            description: For https, check the certificate.
            type: bool
            default: true
          host:
            description: For tcp, the host.
            type: str
            default: localhost
          port:
            description: For tcp, the published port.
            type: int
          command:
            description: >-
              For exec, a string for sh or a list; it runs in each container of the
              service.
            type: raw
          timeout:
            description: Seconds one try may take, whatever the other side does.
            type: float
            default: 10
          delay:
            description: Seconds before the first try.
            type: float
            default: 0
          interval:
            description: The longest pause between tries, in seconds.
            type: float
            default: 1
          retries:
            description: How often to try again; until the deadline when left out.
            type: int
      keep_releases:
        description: How many releases to keep, at least 2.
        type: int
        default: 5
      min_healthy_time:
        description: Seconds it must stay healthy; 2 where only its process can be watched, else 0.
        type: float
      healthy_deadline:
        description: Seconds by when it must have become healthy.
        type: float
        default: 60
      around:
        description: >-
          What is done around a release, by C(hooks), C(backup), C(migrate) and C(smoke); in the
          shape that fraises.yaml has them. Checked when it is needed.
        type: dict
        default: {}
  secret_environment:
    description: >-
      Variables that the Compose file may refer to and that are secrets. Texts under 4 characters
      are not hidden.
    type: dict
    default: {}
  secret_headers:
    description: >-
      Headers that are secrets, by C(health_check/) and the header's name, or C(smoke/), the
      number of the smoke test from 0, C(/) and the header's name. Texts under 4
      characters are not hidden.
    type: dict
    default: {}
  secret_registries:
    description: >-
      The passwords of O(service.registries), by registry. They are on the host's disk only while
      something is pulled or built.
    type: dict
    default: {}
  files:
    description: >-
      Set by the action of the same name where the host is another machine: what was sent of the
      Compose file's folder. Leave it out.
    type: dict
    suboptions:
      digest:
        description: The SHA-256 of what was sent.
        type: str
      content:
        description: All of it, where it is small.
        type: str
      archive:
        description: Where it is on the host, where it is large.
        type: path
requirements:
  - docker
  - docker compose >= 2
"""

    RETURN = r"""
"""
