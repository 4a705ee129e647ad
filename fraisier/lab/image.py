"""The image every lab host starts from, made once per machine with debootstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from fraisier.domain.errors import LabError
from fraisier.lab import mirror
from fraisier.lab.archive import pack
from fraisier.lab.engine import INSTALL_HINT, docker, pipe, run
from fraisier.lab.model import Say
from fraisier.lab.recipe import Recipe

BUILD_SECONDS = 1200
CHANGES = ('CMD ["/sbin/init"]', "ENV container=docker")


def ensure(recipe: Recipe, say: Say) -> str:
    """The tag of the image of `recipe`, built first when this engine does not have it."""
    if not docker("images", "--quiet", recipe.tag).strip():
        say(
            f"making the lab's host image {recipe.tag}: Debian {recipe.suite} with systemd and "
            "sshd, about 450 MB, one to three minutes; once per machine"
        )
        _build(recipe)
        say(f"{recipe.tag} is ready")
    return recipe.tag


def _build(recipe: Recipe) -> None:
    sudo = _privileges()
    folder = Path(tempfile.mkdtemp(prefix="fraisier-lab-", dir="/var/tmp"))
    root = str(folder / "root")
    try:
        run((*sudo, *debootstrap(recipe, root)), timeout=BUILD_SECONDS)
        run((*sudo, "tar", "-x", "-C", root), stdin=pack(recipe.files))
        run((*sudo, "chroot", root, "/bin/sh", "-eu"), stdin=recipe.setup.encode())
        changes = [word for change in CHANGES for word in ("--change", change)]
        pipe((*sudo, "tar", "-C", root, "-c", "."), ("docker", "import", *changes, "-", recipe.tag))
    finally:
        run((*sudo, "rm", "-rf", "--one-file-system", str(folder)))


def debootstrap(recipe: Recipe, root: str) -> tuple[str, ...]:
    """The command that makes the root file system of `recipe` in `root`."""
    archive = mirror.of_this_machine(recipe.suite)
    return (
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(recipe.packages)}",
        recipe.suite,
        root,
        *((archive,) if archive else ()),
    )


def _privileges() -> tuple[str, ...]:
    """The prefix that makes a command run as root; LabError when there is none."""
    if not (shutil.which("debootstrap") or Path("/usr/sbin/debootstrap").exists()):
        raise LabError("debootstrap is not installed", INSTALL_HINT)
    if os.geteuid() == 0:
        return ()
    sudo = ("sudo", "-n")
    if shutil.which("sudo") and not subprocess.run((*sudo, "true"), check=False).returncode:
        return sudo
    raise LabError(
        "the lab's host image is not built yet, and building it takes root",
        "run `sudo fraisier lab up` once, or allow sudo without a password",
    )
