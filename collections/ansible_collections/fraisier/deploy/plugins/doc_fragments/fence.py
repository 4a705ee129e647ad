# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the option that takes the fence means, written once."""

from __future__ import annotations


class ModuleDocFragment:
    """The fence, which every module that changes an application takes."""

    DOCUMENTATION = r"""
options:
  fence:
    description: Who works on the application, so that two never do at once.
    type: dict
    required: true
    suboptions:
      installation:
        description: The control plane, or V(ansible) for plain Ansible.
        type: str
        required: true
      deployment:
        description: The deployment this belongs to.
        type: str
        required: true
      expected:
        description: The highest number the installation has recorded for this host.
        type: int
      number:
        description: The number an earlier step of the same deployment took.
        type: int
      turn:
        description: >-
          The place of this step among the steps of the installation; of two steps of one deployment
          the one with the lower turn is refused once the other was here.
        type: int
      force:
        description: Take the fence from whoever holds it.
        type: bool
        default: false
      takeover:
        description: End a module of the same installation that still runs on the host.
        type: bool
        default: true
      wait:
        description: Seconds to wait for a run that holds the fence.
        type: float
        default: 10
      lease:
        description: Seconds after which others may take a fence that was not released.
        type: float
        default: 3600
"""
