"""`ansible-playbook` as a run executes it: what was built of modules before is there already.

Usage: `python -P -m fraisier.runner.playbook ARGUMENTS`, with the arguments of ansible-playbook.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.cli.playbook import PlaybookCLI
from ansible.executor import module_common
from ansible.release import __version__ as ansible_version

from fraisier.runner.built import keep, key_of, place, seed

FRAISIER = "ansible_collections/fraisier/deploy"
#: Where Ansible puts what it builds, below its temporary folder.
BUILT = "ansiballz_cache"


def main(arguments: list[str]) -> None:
    """Play, and exit as Ansible does."""
    key = key_of(_collection() / "plugins", ansible_version, constants.__file__, sys.version)
    kept = place(os.environ, key)
    if kept is not None:
        _use(kept, Path(constants.DEFAULT_LOCAL_TMP) / "fraisier")
    PlaybookCLI.cli_executor(["ansible-playbook", *arguments])


def _use(kept: Path, folder: Path) -> None:
    """Begin with what was built before, and keep what is built; without room, let it be."""

    def keep_it() -> None:
        with suppress(OSError):
            keep(folder / BUILT, kept)

    build_once(folder, keep_it)
    with suppress(OSError):
        seed(kept, folder / BUILT)


def build_once(folder: Path, then: Callable[[], None] = lambda: None) -> None:
    """Have this process and its forks put into `folder` what they build of a module to send it.

    Only modules that came with Ansible and with Fraisier: those change with a new version, and a
    team's own at any time. `_find_module_utils` writes a whole file at once, under a lock that
    other processes respect, too.
    """
    build = module_common._find_module_utils
    ours = tuple(f"{path}{os.sep}" for path in (Path(constants.__file__).parent, _collection()))

    def build_once(**described: Any) -> Any:
        if not str(described["module_path"]).startswith(ours):
            return build(**described)
        own = constants.DEFAULT_LOCAL_TMP
        constants.DEFAULT_LOCAL_TMP = str(folder)
        try:
            return build(**described)
        finally:
            constants.DEFAULT_LOCAL_TMP = own
            then()

    module_common._find_module_utils = build_once


def _collection() -> Path:
    """Return the folder of our collection; it comes before a team's own."""
    return Path(os.environ["ANSIBLE_COLLECTIONS_PATH"].partition(os.pathsep)[0], FRAISIER)


if __name__ == "__main__":
    main(sys.argv[1:])
