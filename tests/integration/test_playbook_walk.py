"""Plain playbooks walk over hosts in the batches that the engine plans."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fraisier.config import load
from fraisier.domain.plan import way_out
from fraisier.runner.invocation import collections_root

PLAYBOOKS = collections_root() / "ansible_collections/fraisier/deploy/playbooks"
HOSTS = ["a", "b", "c", "d", "e"]
WALK = [
    {
        "name": verb,
        "hosts": f"{{{{ {pattern} }}}}",
        "gather_facts": False,
        "connection": "local",
        "serial": serial,
        "vars_files": [str(PLAYBOOKS / "vars/plain.yml")],
        "tasks": [
            {
                "ansible.builtin.debug": {"msg": "BATCH {{ ansible_play_batch | to_json }}"},
                "run_once": True,
            }
        ],
    }
    for verb, pattern, serial in (
        ("preflight", "fraisier_first", "100%"),
        ("deploy", "fraisier_pattern", "{{ fraisier_batch }}"),
    )
]


@pytest.mark.parametrize(
    ("hosts", "strategy", "max_parallel"),
    [(1, "rolling", 1), (3, "rolling", 1), (5, "rolling", "50%"), (3, "recreate", 1)],
)
def test_a_plain_playbook_walks_in_the_batches_of_the_plan(
    tmp_path: Path, hosts: int, strategy: str, max_parallel: int | str
) -> None:
    environment = {
        "provider": "bare_metal",
        "strategy": strategy,
        "strategy_config": {"max_parallel": max_parallel},
        "provider_config": {
            "hosts": [{"hostname": f"127.0.0.{n}", "name": HOSTS[n]} for n in range(hosts)],
            "service_name": "my-api",
            "service_user": "app",
            "app_path": "/opt/my-api",
            "exec": ["bin/serve"],
        },
    }
    fraise = {"git_repo": "/git/my-api", "environments": {"production": environment}}
    document = {"plugin": "fraisier.deploy.fraises", "fraises": {"my_api": fraise}}
    (tmp_path / "fraises.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "walk.yml").write_text(yaml.safe_dump(WALK))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook", "-i", "fraises.yaml", "walk.yml",
            "-e", "fraisier_fraise=my_api", "-e", "fraisier_environment=production",
        ],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections_root())},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    walked = []
    for play in done.stdout.split("PLAY [")[1:]:
        verb = play.partition("]")[0]
        batches = re.findall(r'"msg": "BATCH (.*)"', play)
        walked += [(verb, json.loads(batch.replace('\\"', '"'))) for batch in batches]
    target = load(str(tmp_path / "fraises.yaml")).target("my_api", "production")
    planned = way_out(target, strategy).steps
    assert walked == [(step.verb, list(step.hosts)) for step in planned]
