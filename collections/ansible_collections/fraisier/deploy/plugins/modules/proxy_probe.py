#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how a proxy stands, and what it does for a service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_probe
short_description: See how the proxy of a host stands
version_added: 0.1.0
description:
  - Looks at the proxy and at what it knows of a service, and changes nothing.
options:
  fraise:
    description: The name of the service.
    type: str
    required: true
  environment:
    description: The name of the environment.
    type: str
    required: true
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: See what the proxy does for a service
  fraisier.deploy.proxy_probe:
    fraise: my_api
    environment: production
  become: true
"""

RETURN = r"""
proxy:
  description:
    - C(installed) by setup; C(running); the C(backend), null where the proxy does not know the
      service; C(servers), each with C(weight), C(up), C(sessions) and C(drained);
      C(certificate_until), the end of the certificate in Unix time, null without one; C(acme), null
      where the certificate is not got from an ACME authority, else whether the one that is served
      is only a C(stand_in), and the C(problem) of the last try, null without one.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.ending import guarded
from ..module_utils.proxy import Proxy, backend_name
from ..module_utils.proxy_acme import Client


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "fraise": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    guarded(module, lambda: work(Proxy(), module.params))


def work(proxy: Proxy, options: dict[str, Any], client: Client | None = None) -> dict[str, Any]:
    """Look."""
    backend = backend_name(options["fraise"], options["environment"])
    running = proxy.present()
    known = running and backend in proxy.backends()
    return {
        "changed": False,
        "proxy": {
            "installed": proxy.installed,
            "running": running,
            "backend": backend if known else None,
            "servers": servers(proxy, backend) if known else {},
            "certificate_until": proxy.certificate_until(backend) if known else None,
            "acme": acme(proxy, client or Client(), backend) if known else None,
        },
    }


def acme(proxy: Proxy, client: Client, backend: str) -> dict[str, Any] | None:
    """Return how it is with the certificate that an authority gives."""
    if backend not in proxy.acme():
        return None
    return {"stand_in": proxy.stand_in(backend), "problem": client.problem(backend)}


def servers(proxy: Proxy, backend: str) -> dict[str, Any]:
    """Return what each server does."""
    weights, drained = proxy.weights(backend), proxy.drained(backend)
    return {
        name: {
            "weight": weights[name],
            "up": figures.up,
            "sessions": figures.sessions,
            "drained": name in drained,
        }
        for name, figures in proxy.figures(backend).items()
        if name in weights
    }


if __name__ == "__main__":
    main()
