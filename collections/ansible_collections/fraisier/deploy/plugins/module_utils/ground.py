# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Whether a run may work on this host at all: rights, programs, folders, space."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from typing import Mapping, Sequence

from . import systemd
from .commands import User, user_of
from .failure import Failure
from .releases import layout_of
from .service import Service

FLOOR = 32 * 1024 * 1024  # bytes: less than this is a disk that is full for any purpose
LINGERING = "/var/lib/systemd/linger"
#: What a plain user must be let do to a unit of the system.
VERBS = ("restart", "start", "stop", "reset-failed")


def require_rights(service: Service, user: User, manager: systemd.Manager) -> None:
    """Raise Failure unless this process may act for the service's account and for its systemd."""
    if not systemd.present():
        raise Failure(
            "systemd_missing", "systemd does not run this host", "use a host that systemd runs"
        )
    if os.geteuid() == 0:
        _require_system_scope(service)
    elif user.uid != os.geteuid():
        me = pwd.getpwuid(os.geteuid()).pw_name
        raise Failure(
            "root_needed",
            f"only root can act as {user.name}, and this run is by {me}",
            f"set become: true and give {me} sudo, or name {me} as service_user",
        )
    elif manager.scope == "user":
        _require_lingering(user)
    else:
        _require_sudo_rule(service, user, manager)


def _require_system_scope(service: Service) -> None:
    if service.systemd_scope == "user":
        raise Failure(
            "scope_unsuitable",
            "systemd_scope: user is for a service that its user deploys, and this run is root's",
            f"log in as {service.service_user} and set become: false; or leave systemd_scope out",
        )


def _require_lingering(user: User) -> None:
    if not os.path.exists(os.path.join(LINGERING, user.name)):
        raise Failure(
            "linger_missing",
            f"the services of {user.name} end when {user.name} logs out: lingering is off",
            f"as root on the host: loginctl enable-linger {user.name}",
        )


def _require_sudo_rule(service: Service, user: User, manager: systemd.Manager) -> None:
    unit = service.systemd_service
    layout = layout_of(service.app_path, service.layout)
    wanted = service.unit_text(layout.current, layout.environment)
    if wanted is not None and manager.installed_text(unit) != wanted:
        raise Failure(
            "root_needed",
            f"only root can write the unit {unit}, and this run is by {user.name}",
            f"fraisier setup {service.fraise} {service.environment} --as root writes it; "
            "or set systemd_scope: user; or leave exec out and install a unit of your own",
        )
    if not manager.may_tell("restart", unit):
        allowed = ", ".join(f"/usr/bin/systemctl {verb} {unit}" for verb in VERBS)
        raise Failure(
            "restart_denied",
            f"{user.name} may not restart {unit} on this host",
            f"add to sudoers: {user.name} ALL=(root) NOPASSWD: {allowed}; "
            "or set systemd_scope: user, or become: true",
        )


def require_programs(names: Sequence[str], instead: Mapping[str, str]) -> None:
    """Raise Failure `program_missing` unless these are there; `instead` says what else helps."""
    for name in names:
        if shutil.which(name) is None:
            hint = "; ".join(filter(None, (f"install {name}", instead.get(name))))
            raise Failure("program_missing", f"{name} is not installed", hint)


def require_own_folder(path: str, owner: User | None = None) -> None:
    """Raise Failure unless only root, and `owner`, can exchange `path` or a folder above it."""
    require_real_path(path)
    part = path
    while part != "/":
        if os.path.lexists(part):
            _require_owned(part, path, owner)
        part = os.path.dirname(part)


def is_exchangeable(folder: str) -> str | None:
    """Say why another account than this one and root could put files there; None where none can.

    The folder need not be there yet; nor then may another account make it.
    """
    me = user_of(os.geteuid()) or User("", os.geteuid(), os.getegid(), "/")
    try:
        require_own_folder(os.path.realpath(folder), me)
        if os.path.lexists(folder) and os.stat(folder).st_uid != os.geteuid():
            return f"{folder} belongs to another account"
    except Failure as failure:
        return failure.message
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None


def require_real_path(path: str) -> None:
    """Raise Failure where a symbolic link is on the way: the fence of a path is that path's."""
    if os.path.realpath(path) != path:
        raise Failure(
            "app_path_unsafe",
            f"app_path {path} leads through a symbolic link to {os.path.realpath(path)}",
            "write the real path",
        )


def _require_owned(part: str, path: str, owner: User | None) -> None:
    found = os.lstat(part)
    if not stat.S_ISDIR(found.st_mode):
        raise Failure("app_path_unsafe", f"{part} is not a folder", "choose another app_path")
    owners = {0} if owner is None else {0, owner.uid}
    if found.st_uid in owners and not _others_may_write(found, owner):
        return
    if owner is None or owner.uid == 0:
        raise Failure(
            "app_path_unsafe",
            f"others than root can change {part}, so root must not work in {path}",
            f"chown root:root {part} && chmod go-w {part}; data of the service belongs in shared",
        )
    raise Failure(
        "app_path_unsafe",
        f"others than {owner.name} and root can change {part}, and with it {path}",
        f"chown {owner.name} {part} && chmod go-w {part}",
    )


def _others_may_write(found: os.stat_result, owner: User | None) -> bool:
    if found.st_mode & stat.S_ISVTX:
        return False
    by_group = bool(found.st_mode & 0o020) and not _private(found.st_gid, owner)
    return by_group or bool(found.st_mode & 0o002)


def _private(group: int, owner: User | None) -> bool:
    """True for a group that nobody but its owner is in, as many systems give each user."""
    if owner is None or group != owner.gid:
        return False
    try:
        return set(grp.getgrgid(group).gr_mem) <= {owner.name}
    except KeyError:
        return False


def require_space(path: str) -> None:
    """Raise Failure `disk_full` when next to nothing is free where `path` is or will be."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    disk = os.statvfs(path)
    if disk.f_bavail * disk.f_frsize < FLOOR or (disk.f_files and disk.f_favail < 100):
        raise Failure(
            "disk_full",
            f"the disk of {path} is full ({disk.f_bavail * disk.f_frsize // 1024} KiB free)",
            "free space on the host, then deploy again",
        )
