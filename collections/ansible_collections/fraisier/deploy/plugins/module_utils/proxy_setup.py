# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""What setup writes on a host of the proxy: the global part and the unit, as texts."""

from __future__ import annotations

import os
import re

from .proxy_config import MARK, global_text

#: Where what the timer runs is laid on a host.
LIBRARY = "/usr/local/lib/fraisier-proxy"
_PACKAGE, _MAIN = "fraisier_proxy", "proxy_acme_run"
ROOT, RUN, STATE = "/etc/fraisier-proxy", "/run/fraisier-proxy", "/var/lib/fraisier/proxy"
UNIT = "fraisier-proxy.service"

_UNIT = f"""\
{MARK}
[Unit]
Description=HAProxy of Fraisier
Documentation=man:haproxy(1)
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStartPre=/usr/sbin/haproxy -c -q -f {ROOT}
ExecStart=/usr/sbin/haproxy -Ws -S {RUN}/master.sock,mode,600 -f {ROOT}
ExecReload=/usr/sbin/haproxy -c -q -f {ROOT}
ExecReload=/bin/kill -USR2 $MAINPID
RuntimeDirectory=fraisier-proxy
RuntimeDirectoryMode=0700
KillMode=mixed
Restart=always
RestartSec=1
SuccessExitStatus=143
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_KILL CAP_SYS_RESOURCE

[Install]
WantedBy=multi-user.target
"""


_ACME_UNIT = f"""\
{MARK}
[Unit]
Description=Certificates of Fraisier's proxy: %i
After=network-online.target fraisier-proxy.service
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -B -m {_PACKAGE}.{_MAIN} %i
Environment=PYTHONPATH={LIBRARY}
TimeoutStartSec=15min
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={ROOT} /var/lib/fraisier -{RUN}
# what a team has told a certbot of its own is not meant for ours
InaccessiblePaths=-/etc/letsencrypt
ProtectHome=yes
PrivateTmp=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
LockPersonality=yes
"""
_ACME_TIMER = f"""\
{MARK}
[Unit]
Description=Twice a day: certificates of Fraisier's proxy

[Timer]
OnCalendar=*-*-* 00/12:00:00
RandomizedDelaySec=6h
Persistent=true
Unit=fraisier-acme@all.service

[Install]
WantedBy=timers.target
"""


def acme_texts() -> dict[str, dict[str, str]]:
    """Return the files that setup writes where certificates come from an ACME authority.

    They are the units, and those of our own files that `proxy_acme_run` needs without Ansible.
    """
    units = {"fraisier-acme@.service": _ACME_UNIT, "fraisier-acme.timer": _ACME_TIMER}
    folder, texts = os.path.join(LIBRARY, _PACKAGE), {"__init__": ""}
    _gather(_MAIN, texts)
    return {
        **{f"{name}.py": {"path": f"{folder}/{name}.py", "text": texts[name]} for name in texts},
        **{name: {"path": f"/etc/systemd/system/{name}", "text": units[name]} for name in units},
    }


def _gather(name: str, texts: dict[str, str]) -> None:
    """Take a module of this folder, and all that it imports from here."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    if name in texts or not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        texts[name] = file.read()
    for found in re.findall(r"^\s*from \.(\w+) import", texts[name], re.MULTILINE):
        _gather(found, texts)
    for found in re.findall(r"^\s*from \. import ([\w, ]+)$", texts[name], re.MULTILINE):
        for each in found.split(","):
            _gather(each.strip(), texts)


def proxy_texts(_given: object = None) -> dict[str, dict[str, str]]:
    """Return the files that setup writes, each with `path` and `text`."""
    return {
        "global": {"path": f"{ROOT}/00-global.cfg", "text": global_text(f"{RUN}/admin.sock")},
        "unit": {"path": f"/etc/systemd/system/{UNIT}", "text": _UNIT},
    }
