#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells Fraisier what a provider of your own has done on a host, or found there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: answer
short_description: Tell Fraisier what a provider of your own did on a host
version_added: 0.1.0
description:
  - The last task of each playbook of a provider. Fraisier believes what it says, records it, and
    decides by it what is to be done next.
  - Does nothing on the host. The modules of this collection that deploy answer by themselves.
options:
  changed:
    description: Whether anything was changed on the host.
    type: bool
    default: false
  switched:
    description: Whether another release serves than before; such a host is gone back to.
    type: bool
    default: false
  fence:
    description: >-
      The number that M(fraisier.deploy.fence) returned; of a probe, its C(holder).
    type: raw
    default: 0
  release:
    description: >-
      What is current now, with C(id), C(version), C(status) (V(good), V(bad) or V(prepared)) and
      C(deployment); null for nothing.
    type: dict
  previous:
    description: What was current before, in the same shape; null for nothing.
    type: dict
  running:
    description: Of a probe, the id of the release that really runs; null for none.
    type: str
  releases:
    description: Of a probe, what can be gone back to, each in the same shape.
    type: list
    elements: dict
    default: []
  sealed:
    description: Of a probe that stops, whether late steps of the deployment are refused now.
    type: bool
    default: false
  log:
    description: What people are to read, each with C(step) and C(text).
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Answer
  fraisier.deploy.answer:
    changed: true
    switched: true
    fence: "{{ my_fence.fence }}"
    release: {id: "{{ my_version }}", version: "{{ my_version }}", status: good}
    previous: "{{ my_previous }}"
"""

RETURN = r"""
release:
  description: What it was given, as all its other options.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

OPTIONS: dict[str, Any] = {
    "changed": {"type": "bool", "default": False},
    "switched": {"type": "bool", "default": False},
    "fence": {"type": "raw", "default": 0},
    "release": {"type": "dict"},
    "previous": {"type": "dict"},
    "running": {"type": "str"},
    "releases": {"type": "list", "elements": "dict", "default": []},
    "sealed": {"type": "bool", "default": False},
    "log": {"type": "list", "elements": "dict", "default": []},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    module.exit_json(**{name: module.params[name] for name in OPTIONS})


if __name__ == "__main__":
    main()
