"""Hosts of a team's own Ansible inventory: groups, variables and jump hosts are respected."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fraisier.domain.catalogue import InventoryGroup
from fraisier.runner.inventory import AnsibleInventories
from support.nowhere import nowhere
from support.target import Target

__all__ = ["nowhere"]

INNER = "inner.example.test"


def behind_a_jump_host(target: Target, folder: Path) -> Path:
    """Make an inventory whose second host is known, and reached, only through the first."""
    outer, inner = target.hosts[0], target.hosts[1]
    address = target.inside(inner, "hostname -I").split()[0]
    target.inside(outer, f"grep -q {INNER} /etc/hosts || echo '{address} {INNER}' >> /etc/hosts")
    pinned = folder / "known_hosts"
    keys = target.lab.known_hosts.read_text().splitlines()
    own = [line.split(None, 1)[1] for line in keys if line.split()[0] == inner.address]
    pinned.write_text("\n".join([*keys, *(f"{INNER} {key}" for key in own), ""]))
    ssh = f"ssh -i {target.lab.key} -o UserKnownHostsFile={pinned} -o StrictHostKeyChecking=yes"
    jump = f"{ssh} -W %h:%p deploy@{outer.address}"
    inventory = folder / "inventories/production"
    files = {
        "hosts.yml": {
            "all": {"children": {"web": {"children": {"inside": {"hosts": {"app-1": {}}}}}}}
        },
        "group_vars/web.yml": {
            "ansible_user": "deploy",
            "ansible_ssh_private_key_file": str(target.lab.key),
            "ansible_ssh_common_args": (
                f"-o UserKnownHostsFile={pinned} -o ProxyCommand={shlex.quote(jump)}"
            ),
        },
        "host_vars/app-1.yml": {"ansible_host": INNER, "ansible_become": True},
    }
    for name, content in files.items():
        (inventory / name).parent.mkdir(parents=True, exist_ok=True)
        (inventory / name).write_text(yaml.safe_dump(content))
    return inventory


def test_a_host_behind_a_jump_host_deploys_and_goes_back(
    make_target: Callable[[int], Target],
) -> None:
    fleet = make_target(2)
    inventory = behind_a_jump_host(fleet, fleet.folder)
    fleet.configure(hosts={"inventory": "inventories/production", "group": "web"}, known_hosts=None)
    good = fleet.repository.commit("good")
    result = fleet.deploy()
    assert result.code == 0, result.said
    assert fleet.served(fleet.hosts[1]) == good
    assert fleet.served(fleet.hosts[0]) is None, "the jump host is no host of the target"
    shown = fleet.fraisier("--json", "show", fleet.last()["id"]).json
    assert [host["host"] for host in shown["hosts"]] == ["app-1"]
    bad = fleet.repository.commit("http500")
    result = fleet.deploy("--version", bad)
    assert result.code == 5, result.said
    assert fleet.last()["status"] == "rolled_back"
    assert fleet.served(fleet.hosts[1]) == good
    assert str(inventory) in fleet.fraisier("list").out


def test_hosts_of_a_group_keep_the_order_and_the_names_of_the_inventory(tmp_path: Path) -> None:
    """In this order the engine rolls over them (test_deploy)."""
    names = ["web-3", "web-1", "web-2"]
    lines = [f"{name} ansible_host=192.0.2.{n}" for n, name in enumerate(names, start=1)]
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("\n".join(["[web]", *lines, "[web:vars]", "ansible_user=deploy", ""]))
    found = AnsibleInventories().hosts(InventoryGroup(str(inventory), "web"))
    assert [(host.name, host.address, host.username) for host in found] == [
        (name, f"192.0.2.{number}", "deploy") for number, name in enumerate(names, start=1)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[web]\n[db]\ndb-1\n", 'no hosts are in a group "web"; groups: '),
        ("[web\nweb-1\n", "cannot read it"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_told(nowhere: Target, text: str, said: str) -> None:
    (nowhere.folder / "hosts.ini").write_text(text)
    nowhere.configure(hosts={"inventory": "hosts.ini", "group": "web"}, known_hosts=None)
    result = nowhere.deploy()
    assert result.code == 1, result.said
    assert said in result.said
    assert "hosts.ini" in result.said
    assert "Traceback" not in result.said
