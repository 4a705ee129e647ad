"""From a piece of work to the files, environment and arguments of one Ansible run. Pure."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_collections.fraisier.deploy as collection
from fraisier.domain.catalogue import Host
from fraisier.domain.plan import Work
from fraisier.domain.secret import OF_CHECK, Secret
from fraisier.runner.bounds import LINE
from fraisier.runner.files import CHOSEN, CHOSEN_GROUP, INVENTORY, PLAYBOOK
from fraisier.runner.folder import scratch
from fraisier.runner.unsafe import unsafe_json

#: What a run may see of our environment. Everything else, database URLs and tokens included, stays.
ALLOWED = (
    "HOME", "LANG", "LC_ALL", "LOGNAME", "SSH_AUTH_SOCK", "TZ", "USER",
    "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
)  # fmt: skip
#: What the files of a team's own inventory may need besides.
FOR_INVENTORIES = ("ANSIBLE_VAULT_IDENTITY_LIST", "ANSIBLE_VAULT_PASSWORD_FILE")
INVENTORY_PLUGINS = "host_list,script,auto,yaml,ini,toml"
CONNECT_SECONDS = 10
CONNECT_AHEAD = 16
SSH_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ControlMaster": "auto",
    "ControlPersist": "60s",
    "ServerAliveCountMax": "2",
    "ServerAliveInterval": "3",
    "StrictHostKeyChecking": "yes",
}


@dataclass(frozen=True)
class Invocation:
    """What a run is told once its work is known: the files to write below its private folder, the
    request, which alone holds secrets and goes through a pipe, and the commands that open the SSH
    connections which Ansible will find and share."""

    files: Mapping[str, str]
    request: str
    connections: list[list[str]]


def invocation(work: Work, secrets: Mapping[str, Secret], folder: Path) -> Invocation:
    """Describe the run of `work` in `folder`."""
    request = {
        **work.request,
        "secret_environment": _revealed(secrets, ""),
        "secret_git": _revealed(secrets, "git"),
        "secret_registries": _revealed(secrets, "registry"),
        **({"secret_tls": tls} if (tls := _revealed(secrets, "tls")) else {}),
        **({"secret_headers": headers} if (headers := _revealed(secrets, "header")) else {}),
        "secret_coolify": _revealed(secrets, "coolify"),
        **_judged(work, secrets),
    }
    variables = {
        "fraisier_request": request,
        "fraisier_hosts": CHOSEN_GROUP if work.inventory else "all",
        **{f"ansible_become_{name}": text for name, text in _revealed(secrets, "become").items()},
    }
    reached_by_ssh = [host for host in work.hosts if host.connection == "ssh"]
    ahead = [] if work.inventory else reached_by_ssh[:CONNECT_AHEAD]
    return Invocation(
        files={
            INVENTORY: unsafe_json(_inventory(work)),
            **({CHOSEN: json.dumps(_chosen(work))} if work.inventory else {}),
            PLAYBOOK: json.dumps([{"ansible.builtin.import_playbook": work.playbook}]),
        },
        request=unsafe_json(variables),
        connections=[_connection(host, folder) for host in ahead],
    )


def _judged(work: Work, secrets: Mapping[str, Secret]) -> dict[str, Any]:
    """Return how a release that is gone back to is judged, where its check lacks a secret.

    What a service answers to a request without its header says nothing of the service.
    """
    kept = work.request.get("kept")
    lacking = [n for n in work.secrets if n.startswith(OF_CHECK) and n not in secrets]
    if not kept or not lacking:
        return {}
    return {"kept": {host: {**how, "unhealthy": "warn"} for host, how in kept.items()}}


def _revealed(secrets: Mapping[str, Secret], kind: str) -> dict[str, str]:
    """Return the secrets of a kind (what stands before the colon) by name."""
    split = {name: name.rpartition(":") for name in secrets}
    return {
        rest: secrets[name].reveal() for name, (before, _, rest) in split.items() if before == kind
    }


def _connection(host: Host, folder: Path) -> list[str]:
    options = [f"-o{name}={value}" for name, value in SSH_OPTIONS.items()]
    user = ["-l", host.username] if host.username else []
    key = ["-i", host.ssh_key_path] if host.ssh_key_path else []
    return [
        "ssh", *options, *shlex.split(_ssh_arguments(host)), f"-oControlPath={folder}/ssh/%C",
        *user, *key, "-p", str(host.port), "-N", "--", host.address,
    ]  # fmt: skip


def collections_root() -> Path:
    """Return the folder whose `ansible_collections` holds our own collection."""
    return Path(next(iter(collection.__path__))).parents[2]


def _inventory(work: Work) -> dict[str, Any]:
    if work.inventory is not None:
        return {"all": {"vars": _of_every_host(work)}}
    return {"all": {"hosts": {host.name: _host(host, work) for host in work.hosts}}}


def _chosen(work: Work) -> dict[str, Any]:
    """Return the inventory that groups the run's hosts: a pattern may mean other hosts."""
    names = [host.name for host in work.hosts]
    return {"plugin": "fraisier.deploy.chosen_hosts", "group": CHOSEN_GROUP, "hosts": names}


def _of_every_host(work: Work) -> dict[str, Any]:
    """Return the defaults for hosts that a team's own inventory describes."""
    become = True if work.become is None else work.become
    return {"ansible_become": become, "ansible_python_interpreter": "/usr/bin/python3"}


def _host(host: Host, work: Work) -> dict[str, Any]:
    if host.connection == "local":
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": bool(work.become),
        }
    variables = {
        "ansible_host": host.address,
        "ansible_port": host.port,
        "ansible_user": host.username,
        "ansible_ssh_private_key_file": host.ssh_key_path,
        "ansible_python_interpreter": host.python,
        "ansible_become": work.become,
        "ansible_ssh_common_args": _ssh_arguments(host),
    }
    return {name: value for name, value in variables.items() if value is not None}


def _ssh_arguments(host: Host) -> str:
    options = []
    if host.known_hosts:
        options.append(f"-o 'UserKnownHostsFile=\"{host.known_hosts}\"'")
    if host.ssh_key_path:
        options.append("-o IdentitiesOnly=yes")
    return " ".join(options)


def environment(
    folder: Path, environ: Mapping[str, str], inventory: str | None = None
) -> dict[str, str]:
    """Return all that the child process and Ansible get to see of the environment."""
    allowed = (*ALLOWED, *FOR_INVENTORIES) if inventory else ALLOWED
    seen = {name: environ[name] for name in allowed if name in environ}
    if "ANSIBLE_VAULT_PASSWORD_FILE" in seen:  # relative to here, and the run is elsewhere
        password_file = os.path.expanduser(seen["ANSIBLE_VAULT_PASSWORD_FILE"])
        seen["ANSIBLE_VAULT_PASSWORD_FILE"] = os.path.abspath(password_file)
    arguments = " ".join(f"-o {name}={value}" for name, value in SSH_OPTIONS.items())
    user_collections = Path(environ.get("HOME", "/")) / ".ansible/collections"
    temporary = scratch(folder)
    return {
        **seen,
        **({"TMPDIR": str(temporary)} if temporary else {}),
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
        ":/sbin:/bin",
        "FRAISIER_RUN": str(folder),
        "ANSIBLE_COLLECTIONS_PATH": f"{collections_root()}:{user_collections}",
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_INVENTORY_ENABLED": INVENTORY_PLUGINS if inventory else "yaml",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_ARGS": arguments,
        "ANSIBLE_SSH_CONTROL_PATH": "%(directory)s/%%C",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "ssh"),
        "ANSIBLE_SSH_TRANSFER_METHOD": "sftp",  # a silent host would be waited for by each of three
        "ANSIBLE_TIMEOUT": str(CONNECT_SECONDS),
        "ANSIBLE_USE_PERSISTENT_CONNECTIONS": "False",
        "MAX_EVENT_RES": str(LINE),  # ansible-runner silently drops a longer result
    }
