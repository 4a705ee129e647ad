# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""All that can be known to be wrong before anything of a service is changed."""

from __future__ import annotations

import os

from .activate import check_unit
from .deploy import remembered, require_sha
from .failure import Failure
from .prepare import fetch
from .site import Site, require_own_folder, require_programs, require_root

FLOOR = 32 * 1024 * 1024  # bytes: less than this is a disk that is full for any purpose


def preflight(site: Site, version: str | None) -> None:
    """Take the fence and check the host; with a version, fetch it. Raises Failure."""
    with site.report.step("check host"):
        require_root()
        require_programs()
        require_own_folder(site.layout.app_path)
        require_space(site.layout.app_path)
        check_unit(site)
    site.enter()
    with site.report.step("check releases"):
        site.previous = remembered(site)
    if version is not None:
        require_sha(version)
        fetch(site, version)


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
