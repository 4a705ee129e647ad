# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a change, for playbooks: the one that the control plane follows as well."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan
short_description: Plan how a change moves over hosts
version_added: 0.1.0
author: The Fraisier authors (@fraisier)
description:
  - Returns the steps that change all hosts, batch by batch, as data. The control plane and the
    playbooks of this collection follow the same plan.
positional: strategy, max_parallel
options:
  _input:
    description: The hosts, in the order in which they are to change.
    type: list
    elements: str
    required: true
  strategy:
    description:
      - V(recreate) changes all hosts at once, V(rolling) some at a time.
      - V(blue-green) and V(canary) move traffic between two releases, which takes more than
        playbooks that run one after the other; C(fraisier deploy) carries them out.
    type: str
    choices: [recreate, rolling]
    default: rolling
  max_parallel:
    description: How many hosts may change at once; a number, or a percentage such as V(50%).
    type: str
    default: "1"
  verb:
    description: What is done to each host.
    type: str
    choices: [deploy, restore]
    default: deploy
"""

EXAMPLES = r"""
- name: Change the hosts of a service as Fraisier would
  hosts: web
  serial: >-
    {{ (groups['web'] | fraisier.deploy.plan('rolling', '50%')).steps
       | selectattr('verb', 'eq', 'deploy') | map(attribute='hosts') | map('length') }}
  tasks: []
"""

RETURN = r"""
_value:
  description: The C(strategy) and its C(steps), each with C(verb), C(hosts), C(last) and C(args).
  type: dict
"""

from typing import Any, Callable, Sequence

from ansible.errors import AnsibleFilterError

from ..module_utils.planning import TWO_COLOURS, way_out


def plan(
    hosts: Sequence[str], strategy: str = "rolling", max_parallel: Any = 1, verb: str = "deploy"
) -> dict[str, Any]:
    """Return the plan of a change."""
    if strategy.replace("_", "-") in TWO_COLOURS:
        raise AnsibleFilterError(
            f"{strategy} is not carried out by plain playbooks; use: fraisier deploy, "
            "or the strategy rolling"
        )
    try:
        return way_out(strategy, list(hosts), max_parallel, verb)
    except ValueError:
        raise AnsibleFilterError(
            f"max_parallel must be a number or a percentage, not {max_parallel!r}"
        ) from None


class FilterModule:
    """The filter plugin."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"plan": plan}
