"""What a lab takes from this machine: a kernel limit raised, and whom it trusts."""

from __future__ import annotations

import uuid
from pathlib import Path

from fraisier.lab.archive import File
from fraisier.lab.model import LOGIN, Say
from fraisier.lab.recipe import DEPLOY_ID

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 8192
TRUST = Path("/etc/ssl/certs/ca-certificates.crt")


def own_files(public_key: str) -> list[File]:
    """What only this lab's hosts have: the key that may log in, an identity, this machine's CAs."""
    return [
        File(f"/home/{LOGIN}/.ssh", None, 0o700, DEPLOY_ID),
        File(f"/home/{LOGIN}/.ssh/authorized_keys", public_key, 0o600, DEPLOY_ID),
        File("/etc/machine-id", f"{uuid.uuid4().hex}\n", 0o444),
        *(_trust(TRUST.read_text()) if TRUST.exists() else ()),
    ]


def _trust(authorities: str) -> tuple[File, File]:
    return (
        File(str(TRUST), authorities),
        File("/etc/pip.conf", f"[global]\ncert = {TRUST}\n"),
    )


def allow_many_hosts(say: Say) -> None:
    """Raise the kernel's limit that stops the lab at about twenty hosts, where that is allowed."""
    if not INOTIFY.exists() or int(INOTIFY.read_text()) >= INOTIFY_INSTANCES:
        return
    try:
        INOTIFY.write_text(str(INOTIFY_INSTANCES))
    except OSError as refused:
        say(
            f"fs.inotify.max_user_instances stays at {INOTIFY.read_text().strip()} ({refused}): "
            f"about twenty hosts at most; as root: sysctl fs.inotify.max_user_instances=8192"
        )
