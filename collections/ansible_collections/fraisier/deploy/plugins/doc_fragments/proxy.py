# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options mean that tell what is in front of a service."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that describe the traffic in front of a service."""

    DOCUMENTATION = r"""
options:
  proxy:
    description:
      - What is in front of the service; nothing when left out.
      - With a proxy of O(proxy.kind=haproxy) that is O(proxy.local), the service runs as one of two
        colours, each on a port of its own.
    type: dict
    suboptions:
      kind:
        description: Fraisier's own HAProxy, or a balancer of somebody else's.
        type: str
        choices: [haproxy, none]
        default: haproxy
      names:
        description: The host names whose requests are meant; every request when empty.
        type: list
        elements: str
        default: []
      port:
        description: The port that the proxy listens on.
        type: int
        default: 80
      tls_port:
        description: The port that it listens on for https.
        type: int
        default: 443
      app_port:
        description: The port of the colour blue, and the next is green's; free ones when left out.
        type: int
      tls:
        description: Whether it is asked by https too; or a dictionary that says how.
        type: raw
      drain:
        description: Seconds that requests under way may take when their server is left.
        type: float
        default: 30
      keep_old:
        description: Let the colour that was left run on after a promotion, for an instant way back.
        type: bool
        default: true
      health_path:
        description:
          - What the proxy itself asks the service for.
          - When left out, it looks whether the service takes a connection.
        type: str
      local:
        description: Whether the proxy is on this very host.
        type: bool
        default: true
      servers:
        description: Where the servers are, for a proxy on a host of its own.
        type: dict
        default: {}
      drain_command:
        description: With O(proxy.kind=none), what is run before the service changes.
        type: list
        elements: str
        default: []
      undrain_command:
        description: With O(proxy.kind=none), what is run after the change, however it ended.
        type: list
        elements: str
        default: []
  secret_tls:
    description: The certificate of the proxy, C(cert) and C(key) as PEM text.
    type: dict
    default: {}
"""
