# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules' options mean, written once."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that describe a service."""

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
      repository:
        description: The git repository, an https, http or ssh URL or a path on the host.
        type: str
        required: true
      branch:
        description: The branch deployed by default; the module does not use it.
        type: str
      git_username:
        description: The user name that goes with the token in O(secret_git).
        type: str
      source:
        description: >-
          How the code gets to the host; the host fetches it, or it is pushed from the controller.
        type: str
        choices: [fetch, push]
        default: fetch
      app_path:
        description: The folder that holds the releases, or the checkout.
        type: str
        required: true
      layout:
        description:
          - With V(releases), each release has a folder of its own. With V(in_place),
            O(service.app_path) is a git checkout that is moved from commit to commit.
        type: str
        choices: [releases, in_place]
        default: releases
      service_name:
        description: The name of the service on the host.
        type: str
        required: true
      systemd_service:
        description: The unit; O(service.service_name) with C(.service) when left out.
        type: str
      systemd_scope:
        description: Whose systemd runs the unit, the system's or that of O(service.service_user).
        type: str
        choices: [system, user]
        default: system
      service_user:
        description: The user that the service and its build commands run as.
        type: str
        required: true
      build:
        description: Build commands; strings go through sh, lists do not.
        type: list
        elements: raw
        default: []
      build_timeout:
        description: Seconds that all build commands together may take.
        type: float
        default: 1800
      exec:
        description: The command of the unit to write; an existing unit is used when left out.
        type: list
        elements: str
      env_vars:
        description: Environment variables that are no secrets.
        type: dict
        default: {}
      shared:
        description: Relative paths that all releases share.
        type: list
        elements: str
        default: []
      health_check:
        description: How to see that the service is well; its unit alone when left out.
        type: dict
        suboptions:
          type:
            description: What is asked.
            type: str
            choices: [http, tcp, exec, systemd]
            required: true
          url:
            description: For http, the URL.
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
            description: For tcp, the port.
            type: int
          command:
            description: For exec, a string for sh or a list.
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
        description: Seconds it must stay healthy; 2 where only the unit is watched, else 0.
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
      type:
        description:
          - What kind of service it is. V(scheduled), V(etl) and V(backup) come to an end; they are
            run by a timer, or when they are asked for, and not restarted by a deployment.
        type: str
        choices: [api, worker, scheduled, etl, backup]
        default: api
      schedule:
        description: For O(service.type=scheduled), when it runs, as systemd's OnCalendar has it.
        type: str
      run_now:
        description: Of a service that comes to an end, run it once at each deployment.
        type: bool
        default: false
      run_timeout:
        description: Of a service that comes to an end, seconds that a run may take.
        type: float
        default: 3600
  secret_environment:
    description: Environment variables that are secrets. Texts under 4 characters are not hidden.
    type: dict
    default: {}
  secret_headers:
    description: >-
      Headers that are secrets, by C(health_check/) and the header's name, or C(smoke/), the
      number of the smoke test from 0, C(/) and the header's name. Texts under 4
      characters are not hidden.
    type: dict
    default: {}
  secret_git:
    description: What opens the repository; C(token) over https, or C(ssh_key) over SSH, as text.
    type: dict
    default: {}
"""
