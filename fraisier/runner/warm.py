"""Ansible loaded ahead: what a process does once so that each of its forks can play at once.

Beside `fraisier.runner.playbook` the only module of the control plane that imports Ansible itself.
It leans on what ansible-core keeps to itself, so a run that is executed stays the way that always
works; tests compare the two.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import ansible_runner
import pexpect
from ansible import constants
from ansible.cli.playbook import PlaybookCLI
from ansible.plugins import loader
from ansible.utils import vars as ansible_vars

from fraisier.runner.playbook import build_once

#: The plugins that each play loads, by kind, with the documents that hold their options.
PLUGINS = {
    "action_loader": ("ansible.builtin.normal", "ansible.builtin.include_role"),
    "cache_loader": ("jsonfile",),
    "inventory_loader": ("ansible.builtin.yaml",),
    "strategy_loader": ("ansible.builtin.linear",),
}
#: Of these kinds it loads all.
KINDS = ("become_loader", "connection_loader", "filter_loader", "shell_loader", "test_loader")
COLLECTIONS = "ansible_collections"
#: The callback of ansible-runner: it reads where to write when it is loaded.
OF_A_RUN = "awx_display"


def load() -> None:
    """Load ansible-runner's and Ansible's modules and plugins into this process."""
    for name in [name for name in sys.modules if name.partition(".")[0] == COLLECTIONS]:
        del sys.modules[name]  # Python's own loader found it, which knows nothing of playbooks
    loader.init_plugin_loader()
    for name in ("ansible.builtin", "fraisier.deploy"):
        import_module(f"{COLLECTIONS}.{name}")
    for kind, plugins in PLUGINS.items():
        for plugin in plugins:
            getattr(loader, kind).get(plugin, class_only=True)
    for path in loader.callback_loader.all(path_only=True):
        if (name := Path(path).stem) != OF_A_RUN:
            loader.callback_loader.get(name, class_only=True)
    for kind in KINDS:
        list(getattr(loader, kind).all(class_only=True))
    build_once(Path.cwd())
    pexpect.spawn = _Spawn
    ansible_runner.runner.pexpect.spawn = _Spawn


class _Spawn(pexpect.spawn):  # type: ignore[misc]
    """As pexpect starts a command, but ansible-playbook is a fork that plays at once."""

    def __init__(self, command: str, args: Sequence[str], **more: Any) -> None:
        if os.path.basename(command) == "ansible-playbook":
            more["preexec_fn"] = partial(_play, [command, *args], more["env"])
        super().__init__(command, list(args), **more)


def _play(argv: list[str], environment: dict[str, str]) -> NoReturn:
    """Be ansible-playbook: with settings, temporary folder and ids of tasks of its own."""
    code = 1
    try:
        os.closerange(3, 1 << 12)  # with them goes the pipe on which pexpect waits for an exec
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None  # it is another one in each run
        sys.argv = argv
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, closefd=False) for n in (1, 2))
        warnings.simplefilter("ignore")  # that the loader of collections is there already
        for name in constants.config.get_configuration_definitions():
            value = constants.config.get_config_value(name, variables=vars(constants))
            constants.set_constant(name, value)
        ansible_vars.random_int = secrets.token_hex(4)
        PlaybookCLI.cli_executor(argv)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
