"""What is in a lab host: packages, files and set-up, as data whose hash names the image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fraisier.lab.archive import File
from fraisier.lab.model import LOGIN

DEPLOY_ID = 1000
APP_ID = 990

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo"),
    *("python3-minimal", "python3-venv", "git", "haproxy"),
    *("ca-certificates", "curl", "iproute2", "procps"),
)
AFTERWARDS = "certbot"

SSHD = f"""\
HostKey /etc/ssh/ssh_host_ed25519_key
AllowUsers {LOGIN}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
MaxStartups 100:30:200
"""

# Each host makes its own key when it first starts; the empty line clears Debian's `sshd -t`,
# which would fail before the key exists.
SSHD_UNIT = """\
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key || \
ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key'
ExecStartPre=/usr/sbin/sshd -t
"""

FILES = (
    File("/etc/ssh/sshd_config.d/lab.conf", SSHD),
    File("/etc/systemd/system/ssh.service.d/lab.conf", SSHD_UNIT),
    File(f"/etc/sudoers.d/{LOGIN}", f"{LOGIN} ALL=(ALL) NOPASSWD: ALL\n", 0o440),
    File("/etc/gitconfig", "[safe]\n\tdirectory = *\n"),
)

# debootstrap alone cannot configure certbot's Python packages; apt, afterwards, can.
# A proxy is set up by Fraisier alone; the distribution's units are nobody's.
# apt's timers would fetch at moments of their own choosing, under whoever measures something.
SETUP = f"""\
useradd --uid {DEPLOY_ID} --create-home --shell /bin/bash {LOGIN}
useradd --system --uid {APP_ID} --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin app
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends {AFTERWARDS}
systemctl mask haproxy.service certbot.service certbot.timer
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
rm -f /etc/ssh/ssh_host_*
: > /etc/machine-id
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
"""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the image is; two equal recipes make the same host."""

    suite: str = "bookworm"
    packages: tuple[str, ...] = PACKAGES
    files: tuple[File, ...] = FILES
    setup: str = SETUP

    @property
    def tag(self) -> str:
        """The image's name: `fraisier-lab:` and twelve digits of the recipe's hash."""
        return f"fraisier-lab:{hashlib.sha256(repr(self).encode()).hexdigest()[:12]}"
