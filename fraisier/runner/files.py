"""The files of a run's private folder, and how ansible-runner is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FORKS = 50
INVENTORY = "inventory.json"
#: The hosts of a run among those of a team's own inventory, as a group.
CHOSEN = "chosen.yml"
CHOSEN_GROUP = "fraisier_chosen_hosts"
PLAYBOOK = "project/run.yml"
#: Ansible reads it once, before its inventory and its playbook: it waits for this one.
REQUEST = "request.json"


def arguments(folder: Path, inventory: str | None = None) -> dict[str, Any]:
    """Return ansible-runner's arguments; they name files that are filled once the work is known.

    `inventory` is a team's own: what it says of a host comes before what ours says of all.
    """
    theirs = [inventory, str(folder / CHOSEN)] if inventory else []
    return {
        "private_data_dir": str(folder),
        "playbook": str(folder / PLAYBOOK),
        "inventory": [str(folder / INVENTORY), *theirs],
        "cmdline": f"--forks {FORKS} -e @{folder / REQUEST}",
        "quiet": True,
        "suppress_env_files": True,
        "settings": {
            "pexpect_timeout": 1,
            "suppress_ansible_output": True,
            "suppress_output_file": True,
        },
    }
