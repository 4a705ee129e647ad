#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells a proxy on a host of its own of a service, or makes it forget one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_backend
short_description: Tell a proxy of a service and its servers
version_added: 0.1.0
description:
  - Runs on a host that the role P(fraisier.deploy.proxy#role) has prepared.
  - Writes its part of the configuration, lets HAProxy try it, and has it read without
    losing a request. What HAProxy refuses is not put in place.
  - Servers that are known already keep their weights; new ones get requests at once.
options:
  fraise:
    description: The name of the service.
    type: str
    required: true
  environment:
    description: The name of the environment.
    type: str
    required: true
  health_check:
    description: The service's health check, whose port is that of the servers where none is said.
    type: dict
    default: {}
  state:
    description: Whether the proxy knows the service.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - fraisier.deploy.proxy
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
  diff_mode:
    description: Whether the module can show what it changes.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Tell the proxy of a service on two hosts
  fraisier.deploy.proxy_backend:
    fraise: my_api
    environment: production
    proxy:
      names: [api.example.com]
      health_path: /health
      servers:
        web-1: {address: 192.0.2.11, port: 8000}
        web-2: {address: 192.0.2.12, port: 8000}
  become: true
"""

RETURN = r"""
backend:
  description: What the proxy calls the service.
  returned: success
  type: str
  sample: my_api.production
weights:
  description: What each server gets of the requests; empty where the proxy does not run yet.
  returned: success
  type: dict
code:
  description: What went wrong, for programs.
  returned: failure
  type: str
hint:
  description: What to do next.
  returned: failure
  type: str
"""

import re
from typing import Any

from ..module_utils.ending import guarded
from ..module_utils.headers import HIDDEN
from ..module_utils.module import Module
from ..module_utils.options import proxy_options
from ..module_utils.proxy import Proxy, backend_name
from ..module_utils.proxy_site import options_of, servers_of

_CHECK = re.compile(r'(http-check send [^\n]*? uri "[^"?\n]*\?)[^"\n]*')


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            "fraise": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "health_check": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            **proxy_options(),
        },
        required_if=[("state", "present", ("proxy",))],
        supports_check_mode=True,
    )
    guarded(module, lambda: work(Proxy(), module.params, module.check_mode))


def work(proxy: Proxy, options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Make it so; in check mode say whether that would change anything."""
    backend = backend_name(options["fraise"], options["environment"])
    before = proxy.described(backend)
    if options["state"] == "absent":
        changed = bool(before) if check_mode else proxy.remove(backend)
        return {"changed": changed, "backend": backend, "weights": {}}
    told = options_of(options["proxy"], options["secret_tls"])
    servers = servers_of(options["proxy"], options["health_check"])
    wanted = proxy.preview(backend, servers, told)
    if check_mode:
        changed = not proxy.defined(backend, servers, told)
    else:
        changed = proxy.define(backend, servers, told)
    title = f"/etc/fraisier-proxy/50-{backend}.cfg"
    return {
        "changed": changed,
        "backend": backend,
        "weights": proxy.weights(backend) if proxy.present() and not check_mode else {},
        "diff": {
            "before_header": title,
            "after_header": title,
            "before": _without_query(before),
            "after": _without_query(wanted),
        },
    }


def _without_query(text: str) -> str:
    """Return a configuration without the query that the proxy asks each server with."""
    return _CHECK.sub(rf"\1{HIDDEN}", text)


if __name__ == "__main__":
    main()
