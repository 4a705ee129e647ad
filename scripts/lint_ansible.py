"""Run ansible-lint with one syntax check for all playbooks and roles.

ansible-lint starts `ansible-playbook --syntax-check` for each of them, which takes a second of CPU
60 times. Here one process checks all. Only if it finds an error does ansible-lint check each alone,
and report the error as usual.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansiblelint.__main__ import main
from ansiblelint.runner import Runner

check_each = Runner._map_syntax_check_workers


def check_all(self: Runner, worker: Any, files: list[Any]) -> list[Any]:
    """Check all files in one process, or each alone where that fails."""
    checked = [file for file in files if file.kind in ("playbook", "role")]
    with playbook_of_roles([file for file in checked if file.kind == "role"]) as roles:
        playbooks = [str(file.path.expanduser()) for file in checked if file.kind == "playbook"]
        done = subprocess.run(
            [
                "ansible-playbook", "--syntax-check",
                "--extra-vars", json.dumps(self.app.options.extra_vars or {}), roles, *playbooks,
            ],
            env={**self.app.runtime.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "False"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )  # fmt: skip
    return [] if done.returncode == 0 else check_each(self, worker, files)


@contextmanager
def playbook_of_roles(roles: list[Any]) -> Iterator[str]:
    """Yield the path of a playbook that imports each role, as ansible-lint does for one."""
    plays = [
        {
            "name": "Import a role",
            "hosts": "localhost",
            "tasks": [{"ansible.builtin.import_role": {"name": str(role.path.expanduser())}}],
        }
        for role in roles
    ] or [{"name": "Do nothing", "hosts": "localhost"}]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "roles.yml"
        path.write_text(json.dumps(plays))
        yield os.fspath(path)


Runner._map_syntax_check_workers = check_all  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(main())
