"""A lab's folder: key pair, pinned host keys, inventory and a ready fraises.yaml."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fraisier.lab.engine import run
from fraisier.lab.example import REPOSITORY
from fraisier.lab.model import LOGIN, SSH_PORT, Lab, LabHost
from fraisier.private_folders import PRIVATE, make_private

FRAISES = """\
fraises:
  my_api:
    type: api
    description: The simple web service of the examples
    git_provider: git
    git_repo: {git}/{repository}
    git_branch: main
    environments:
      production:
        provider: bare_metal
        strategy: rolling
        strategy_config: {{max_parallel: 1, healthy_deadline: 20}}
        provider_config:
          hosts:
{hosts}
          known_hosts: {known_hosts}
          service_name: my-api
          app_path: /opt/my-api
          systemd_service: my-api.service
          service_user: app
          build:
            - python3 -m venv .venv
            - .venv/bin/pip install --quiet --no-cache-dir --requirement requirements.txt
          exec: [.venv/bin/python, app.py]
          env_vars: {{PORT: "8000"}}
          health_check: {{type: http, url: "http://localhost:8000/health", timeout: 5}}
"""
FRAISES_HOST = (
    "            - {{hostname: {address}, port: {port}, username: {login}, ssh_key_path: {key}}}"
)

INVENTORY = """\
[lab]
{hosts}

[lab:vars]
ansible_user={login}
ansible_ssh_private_key_file={key}
ansible_ssh_common_args=-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes
ansible_python_interpreter=/usr/bin/python3
"""


def prepare(lab: Lab) -> str:
    """Make the lab's folder and its key pair where they are missing; returns the public key.

    Only this user may enter the folder. The hosts read the repositories in it by a mount of their
    own, as users of their own.
    """
    make_private(lab.folder)
    lab.folder.chmod(PRIVATE)
    lab.git.mkdir(exist_ok=True)
    lab.git.chmod(0o755)
    if not lab.key.exists():
        run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", lab.name, "-f", str(lab.key)))
    return lab.key.with_suffix(".pub").read_text()


def judged(host: LabHost) -> LabHost:
    """`host`, in the state `orphaned` when its lab's key is gone: nobody can log in to it."""
    there = Lab(host.lab, host.folder, ()).key.exists()
    return host if there else replace(host, state="orphaned")


def write(lab: Lab, host_keys: Mapping[str, str]) -> None:
    """Write known_hosts, inventory.ini and fraises.yaml; `host_keys` maps host name to key."""
    pinned = [f"{_pin(host)} {host_keys[host.name]}\n" for host in lab.hosts]
    _replace(lab.known_hosts, "".join(pinned))
    _replace(lab.inventory, inventory(lab))
    _replace(lab.config, fraises(lab))


def forget(lab: Lab) -> None:
    """Rewrite the folder of a lab that lost hosts: `lab.hosts` are those that are left."""
    if not lab.known_hosts.exists():
        return
    lines = lab.known_hosts.read_text().splitlines()
    known = {pin: key for pin, _, key in (line.partition(" ") for line in lines)}
    left = {host.name: known[_pin(host)] for host in lab.hosts if _pin(host) in known}
    write(Lab(lab.name, lab.folder, tuple(h for h in lab.hosts if h.name in left)), left)


def discard(lab: Lab) -> bool:
    """Remove the lab's folder; True when there was one. A folder without our key is left alone."""
    if not lab.key.exists():
        return False
    shutil.rmtree(lab.folder)
    return True


def inventory(lab: Lab) -> str:
    """The hosts of `lab` as the text of an Ansible inventory."""
    lines = [f"{h.name} ansible_host={h.address} ansible_port={h.port}" for h in lab.hosts]
    return INVENTORY.format(
        hosts="\n".join(lines), login=LOGIN, key=lab.key, known_hosts=lab.known_hosts
    )


def fraises(lab: Lab) -> str:
    """The text of a fraises.yaml that puts the simple web service on every host of `lab`."""
    key = json.dumps(str(lab.key))
    hosts = [
        FRAISES_HOST.format(address=h.address, port=h.port, login=LOGIN, key=key) for h in lab.hosts
    ]
    return FRAISES.format(
        git=lab.git, repository=REPOSITORY, hosts="\n".join(hosts), known_hosts=lab.known_hosts
    )


def _pin(host: LabHost) -> str:
    return host.address if host.port == SSH_PORT else f"[{host.address}]:{host.port}"


def _replace(path: Path, text: str) -> None:
    """Put `text` at `path` in one step, and leave a file that already says it untouched."""
    if path.exists() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:
        draft.write(text)
    Path(draft.name).chmod(0o644)
    Path(draft.name).replace(path)
