# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""All that can be known to be wrong on this host before anything is changed."""

from __future__ import annotations

import os

from . import in_place, oneshot
from .colour_check import check_colours
from .commands import User, find_user
from .failure import Failure
from .ground import require_own_folder, require_programs, require_rights, require_space
from .setup_hint import naming_setup
from .site import Site
from .source import INSTEAD
from .unit_check import check_unit


def check_host(site: Site) -> User:
    """Return the service's account; raises Failure where a deployment could not succeed."""
    with site.report.step("check host"), naming_setup(site.service):
        user = _account(site)
        require_programs(site.source.programs, {} if site.layout.in_place else INSTEAD)
        require_space(site.layout.app_path)
        if site.coloured:
            check_colours(site)
        else:
            check_unit(site)
            oneshot.check(site)
        _check_folder(site, user)
        if site.layout.in_place:
            in_place.require_unchanged(site, in_place.checkout_of(site, user))
    return user


def check_ground(site: Site) -> User:
    """Return the service's account; raises Failure where this run may not work here at all."""
    with site.report.step("check host"), naming_setup(site.service):
        user = _account(site)
        _check_folder(site, user)
    return user


def _account(site: Site) -> User:
    user = find_user(site.service.service_user)
    require_rights(site.service, user, site.systemd)
    return user


def _check_folder(site: Site, user: User) -> None:
    path = site.layout.app_path
    if site.layout.in_place:
        in_place.checkout_of(site, user)
        return
    if os.path.lexists(os.path.join(path, ".git")):
        raise Failure(
            "app_path_occupied",
            f"app_path {path} is a git checkout",
            "set layout: in_place to deploy in it, or choose another app_path",
        )
    require_own_folder(path, None if os.geteuid() == 0 else user)
