# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of the modules for Coolify mean, written once."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that describe a service at Coolify."""

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
      url:
        description: Where Coolify is, such as https://coolify.example.com.
        type: str
        required: true
      application_uuid:
        description: The application; this or O(service.service_uuid).
        type: str
      service_uuid:
        description: The service; this or O(service.application_uuid).
        type: str
      env_vars:
        description: Variables that Coolify gives it, no secrets.
        type: dict
        default: {}
      timeout:
        description: Seconds that a deployment at Coolify may take.
        type: float
        default: 540
      request_timeout:
        description: Seconds that one request to Coolify may take.
        type: float
        default: 30
      poll_interval:
        description: Seconds between two looks at a deployment.
        type: float
        default: 2
      wait_for_others:
        description: Seconds to wait for a deployment that somebody else began.
        type: float
        default: 0
      pull_latest:
        description: For a service, pull its images anew at each restart.
        type: bool
        default: true
      validate_certs:
        description: Check the certificate of Coolify.
        type: bool
        default: true
      ca_file:
        description: The authority of that certificate, a file; the system's when left out.
        type: str
      health_check:
        description: What is asked besides Coolify's own status; nothing when left out.
        type: dict
        suboptions:
          type:
            description: What is asked.
            type: str
            choices: [http, tcp]
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
            description: For tcp, the port.
            type: int
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
        description: How many releases to remember, at least 2.
        type: int
        default: 5
      min_healthy_time:
        description: Seconds it must stay healthy; 10 for a service, else 0.
        type: float
      healthy_deadline:
        description: Seconds by when it must have become healthy.
        type: float
        default: 60
  secret_environment:
    description: >-
      Variables that Coolify gives it and that are secrets. Texts under 4 characters are not hidden.
    type: dict
    default: {}
  secret_headers:
    description: >-
      Headers that are secrets, by C(health_check/) and the header's name. Texts under 4
      characters are not hidden.
    type: dict
    default: {}
  secret_coolify:
    description: The C(token) of Coolify's API.
    type: dict
    default: {}
"""

    RETURN = r"""
"""
