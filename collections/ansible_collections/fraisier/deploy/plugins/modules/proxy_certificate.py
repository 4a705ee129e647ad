#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets a service's certificate from its ACME authority, and waits for it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_certificate
short_description: Get a certificate from an ACME authority
version_added: 0.1.0
description:
  - Runs on a host that the role P(fraisier.deploy.proxy#role) has prepared, its tasks C(acme) too.
  - Does what the timer does there twice a day, for one service and at once.
  - Does nothing where the proxy does not know the service yet, or gets no certificate for it.
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
    support: partial
    details: Whether a certificate that is served is due again, only the client knows.
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Get the certificate now
  fraisier.deploy.proxy_certificate:
    fraise: my_api
    environment: production
  become: true
"""

RETURN = r"""
certificate_until:
  description: The end of the certificate in Unix time; null where none is served.
  returned: success
  type: float
code:
  description: What went wrong, for programs.
  returned: failure
  type: str
hint:
  description: What to do next.
  returned: failure
  type: str
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
    guarded(module, lambda: work(Proxy(), Client(), module.params, module.check_mode))


def work(proxy: Proxy, client: Client, options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Get it; in check mode say whether there is none yet."""
    backend = backend_name(options["fraise"], options["environment"])
    if not proxy.present() or backend not in proxy.acme():
        return {"changed": False, "certificate_until": None}
    before = proxy.acme()[backend].certificate
    if check_mode:
        changed = proxy.stand_in(backend)
    else:
        client.finish(backend)
        changed = proxy.acme()[backend].certificate != before
    return {"changed": changed, "certificate_until": proxy.certificate_until(backend)}


if __name__ == "__main__":
    main()
