#!/usr/bin/python
# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes folders and small text files, as many as there are, in one go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: write_files
short_description: Write folders and small text files in one go
version_added: 0.1.0
description:
  - Makes folders and writes text files whose text is at hand. What is right stays as it is.
  - A loop over M(ansible.builtin.copy) goes to the host two times for each file; this goes once.
  - Each file is the old or the new one at every moment. All belong to the user of the task.
options:
  folders:
    description: The folders, those above others first. A link to a folder is one.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The absolute path. Missing folders above it are made, too.
        type: path
        required: true
      mode:
        description: The permissions, in octal.
        type: str
        default: "0755"
  files:
    description: The files. The folders that they are in must be there.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The absolute path.
        type: path
        required: true
      text:
        description: All of the text.
        type: str
        required: true
      mode:
        description: The permissions, in octal.
        type: str
        default: "0644"
attributes:
  check_mode:
    description: Whether the module can say what it would do and do nothing.
    support: full
  diff_mode:
    description: Whether the module shows what differs.
    support: full
author:
  - The Fraisier authors (@fraisier)
"""

EXAMPLES = r"""
- name: Write a unit and what it runs
  fraisier.deploy.write_files:
    folders:
      - path: /usr/local/lib/nightly
    files:
      - path: /usr/local/lib/nightly/run.sh
        text: "#!/bin/sh\nexec /usr/bin/true\n"
        mode: "0755"
      - path: /etc/systemd/system/nightly.service
        text: "[Service]\nType=oneshot\nExecStart=/usr/local/lib/nightly/run.sh\n"
  become: true
"""

RETURN = r"""
paths:
  description: What was made or written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/lib/nightly]
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

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.ending import guarded
from ..module_utils.failure import Failure
from ..module_utils.small_files import arrange

MODE = re.compile(r"0?[0-7]{3,4}")


def main() -> None:
    """Run the module."""
    path = {"type": "path", "required": True}
    module = AnsibleModule(
        argument_spec={
            "folders": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": path, "mode": {"type": "str", "default": "0755"}},
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": path,
                    "text": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
        },
        supports_check_mode=True,
    )
    guarded(module, lambda: work(module.params, module.check_mode))


def work(options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do it; return what the module returns."""
    for each in (*options["folders"], *options["files"]):
        if not MODE.fullmatch(each["mode"]):
            said = f"{each['path']}: {each['mode']} is no mode"
            raise Failure("mode_invalid", said, 'write it in octal, in quotes: "0644"')
    diffs = arrange(options["folders"], options["files"], check_mode)
    return {"changed": bool(diffs), "paths": list(diffs), "diff": list(diffs.values())}


if __name__ == "__main__":
    main()
