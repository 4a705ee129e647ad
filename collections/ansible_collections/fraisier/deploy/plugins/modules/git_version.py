#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the commit that a branch or tag names, without a checkout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: git_version
short_description: Resolve a branch, tag or commit of a git repository to a full SHA
version_added: 0.1.0
description:
  - Asks the repository itself. A full SHA is returned as it is.
options:
  repository:
    description: An https, http or ssh URL, or an absolute path.
    type: str
    required: true
  version:
    description: A branch, a tag or a full commit SHA.
    type: str
    required: true
  git_username:
    description: The user name that goes with the token.
    type: str
    default: x-access-token
  secret_git:
    description: What opens the repository; C(token) over https, or C(ssh_key) over SSH, as text.
    type: dict
    default: {}
  timeout:
    description: Seconds the repository has to answer.
    type: float
    default: 60
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Find the newest commit of main
  fraisier.deploy.git_version:
    repository: https://git.example.com/my-org/my-api.git
    version: main
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
sha:
  description: The full commit SHA.
  returned: success
  type: str
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
from ..module_utils.git import resolve
from ..module_utils.git_access import USERNAME, from_options


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "repository": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "git_username": {"type": "str", "default": USERNAME},
            "secret_git": {"type": "dict", "default": {}, "no_log": True},
            "timeout": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    guarded(module, lambda: work(module.params))


def work(options: dict[str, Any]) -> dict[str, Any]:
    """Ask the repository."""
    access = from_options(options["repository"], options["git_username"], options["secret_git"])
    sha = resolve(access, options["version"], options["timeout"])
    return {"changed": False, "sha": sha}


if __name__ == "__main__":
    main()
