# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups hosts of the inventories before it by their exact names."""

from __future__ import annotations

DOCUMENTATION = r"""
name: chosen_hosts
short_description: Group hosts of other inventories by their exact names
version_added: 0.2.0
author: The Fraisier authors (@fraisier)
description:
  - Makes a group of hosts that the inventories read before this one have. Names of other hosts are
    ignored.
  - A host pattern would take a name for that of a group, for a port or for a range.
    Fraisier uses this plugin for runs on an inventory of a team's own.
options:
  plugin:
    description: Makes the file an inventory of this plugin.
    type: str
    required: true
    choices: [fraisier.deploy.chosen_hosts]
  group:
    description: The name of the group.
    type: str
    required: true
  hosts:
    description: The names of its hosts.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
plugin: fraisier.deploy.chosen_hosts
group: first_batch
hosts: [web-1, web-2]
"""

from typing import Any

from ansible.plugins.inventory import BaseInventoryPlugin


class InventoryModule(BaseInventoryPlugin):
    """The inventory plugin."""

    NAME = "fraisier.deploy.chosen_hosts"

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the group to the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        group = inventory.groups[inventory.add_group(self.get_option("group"))]
        for name in self.get_option("hosts"):
            if name in inventory.hosts:
                group.add_host(inventory.hosts[name])
