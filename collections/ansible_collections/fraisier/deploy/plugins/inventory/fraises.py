# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes fraises.yaml an inventory: its hosts, how to reach them, and what they are to run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fraises
short_description: Use fraises.yaml as an inventory
version_added: 0.1.0
author: The Fraisier authors (@fraisier)
description:
  - Reads a C(fraises.yaml) whose root has C(plugin), and offers the hosts of its C(bare_metal)
    targets.
  - Groups are C(<fraise>_<environment>), C(fraise_<fraise>) and C(environment_<environment>), with
    hyphens as underscores.
  - Each host has C(fraisier_targets), by C(<fraise>/<environment>). Its values are never templated,
    and secrets stay references until a task needs them.
options:
  plugin:
    description: Makes the file an inventory of this plugin.
    type: str
    required: true
    choices: [fraisier.deploy.fraises]
"""

EXAMPLES = r"""
plugin: fraisier.deploy.fraises
fraises:
  my_api:
    git_repo: https://git.example.com/my-org/my-api.git
    git_branch: main
    environments:
      production:
        provider: bare_metal
        provider_config:
          hosts:
            - {hostname: production-1.example.com, username: deploy}
          service_name: my-api
          app_path: /opt/my-api
          service_user: my-api
          exec: [bin/serve]
          env_vars: {DATABASE_URL: {env: MY_API_DATABASE_URL}}
"""

import os
from typing import Any, Mapping

import yaml
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

from ..plugin_utils.targets import BECOME, ConfigurationError, Target, read_targets

_PROVIDER = os.path.join(
    os.path.dirname(__file__), "..", "..", "providers", "bare_metal", "provider.yml"
)


#: Read when sudo asks, as the secrets of a service are read when a task needs them.
_BECOME_PASSWORD = trust_as_template(
    f"{{{{ ({BECOME} | fraisier.deploy.secret_values).password }}}}"
)


class InventoryModule(BaseInventoryPlugin):
    """The inventory plugin."""

    NAME = "fraisier.deploy.fraises"

    def verify_file(self, path: str) -> bool:
        """Accept files called fraises.yaml or something-fraises.yml."""
        return super().verify_file(path) and path.endswith(("fraises.yaml", "fraises.yml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the file's hosts, groups and variables to the inventory."""
        super().parse(inventory, loader, path, cache)
        data = loader.load_from_file(path, cache="none")
        if not isinstance(data, dict) or data.get("plugin") != self.NAME:
            raise AnsibleParserError(f"{path}: needs the root key `plugin: {self.NAME}`")
        with open(_PROVIDER, encoding="utf-8") as file:
            schema = yaml.safe_load(file)["schema"]
        folder = os.path.dirname(os.path.abspath(path))
        try:
            targets = read_targets(data, schema, folder, os.environ)
        except ConfigurationError as error:
            raise AnsibleParserError(f"{path}:\n{error}") from error
        known: dict[str, dict[str, Any]] = {}
        for target in targets:
            self._add(target, known, path)

    def _hosts(self, target: Target, path: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the hosts of a target, also those that an inventory read before has."""
        if not target.group:
            return target.hosts
        group = self.inventory.groups.get(target.group)
        names = [host.name for host in group.get_hosts()] if group else []
        if not names and target.group in self.inventory.hosts:
            names = [target.group]
        if not names:
            self.display.warning(
                f"{path}: {target.fraise}/{target.environment} has no hosts here: they are in "
                f'group "{target.group}" of {target.inventory}; name that inventory before this one'
            )
        return dict.fromkeys(names, target.common)

    def _add(self, target: Target, known: dict[str, dict[str, Any]], path: str) -> None:
        name = f"{target.fraise}/{target.environment}"
        for group in target.groups:
            self.inventory.add_group(group)
        for host, connection in self._hosts(target, path).items():
            entry = known.setdefault(host, {"connection": connection, "targets": {}})
            if entry["connection"] != connection:
                raise AnsibleParserError(
                    f"{path}: {name}: host {host} is reached in another way by another target; "
                    "give one of them a name of its own"
                )
            entry["targets"][name] = target.value
            for group in target.groups:
                self.inventory.add_host(host, group)
            for variable, value in connection.items():
                self._set(host, variable, value)
            if BECOME in connection:
                self._set(host, "ansible_become_password", _BECOME_PASSWORD)
            self._set(host, "fraisier_targets", dict(entry["targets"]))

    def _set(self, host: str, variable: str, value: Any) -> None:
        """Set a variable of a host, also where a group of another inventory has its name."""
        if host in self.inventory.groups:
            self.inventory.hosts[host].set_variable(variable, value)
        else:
            self.inventory.set_variable(host, variable, value)
