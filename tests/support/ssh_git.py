"""A git server over SSH on a lab host, as forges have them: one account, and deploy keys."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.target import Target

CONFIGURATION = "/etc/ssh/sshd_config.d/lab.conf"
FOLDER = "/srv/git"


@contextmanager
def ssh_git(target: Target, key: Path) -> Iterator[str]:
    """Serve a copy of the target's repository to the key that is made in `key`; yields its URL."""
    make_key(key)
    host = target.hosts[0]
    target.inside(
        host,
        "useradd --create-home --shell /usr/bin/git-shell git && install -d -o git ~git/.ssh &&"
        f"echo '{key.with_suffix('.pub').read_text().strip()}' > ~git/.ssh/authorized_keys &&"
        f"mkdir -p {FOLDER} && cp -r {target.repository.path} {FOLDER}/app.git &&"
        f"chown -R git {FOLDER} &&"
        f"sed -i 's/^AllowUsers .*/& git/' {CONFIGURATION} && systemctl restart ssh",
    )
    try:
        yield f"ssh://git@{host.address}:{host.port}{FOLDER}/app.git"
    finally:
        target.inside(
            host,
            f"sed -i 's/^\\(AllowUsers .*\\) git/\\1/' {CONFIGURATION} && systemctl restart ssh;"
            f"pkill -u git; userdel --remove git; rm -rf {FOLDER}; true",
        )


def make_key(path: Path) -> None:
    """Make a key pair without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
