# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Between Ansible and the verbs: turns options into a site, and every ending into one answer."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any, Callable, Protocol, TypeVar

from ansible.module_utils.basic import AnsibleModule

from . import front, source
from .ending import conclude, outcome
from .failure import Failure
from .fence import Fence
from .headers import with_secret_headers
from .options import claim
from .processes import lead_session
from .redaction import hide, know
from .service import Service, from_options
from .site import Site


class Ground(Protocol):
    """What a module works on, whatever it is: it has a fence and says how things stand."""

    fence: Fence

    def result(self) -> dict[str, Any]:
        """Return what the module returns, as far as the run came."""


S = TypeVar("S", bound=Ground)


def service_of(module: AnsibleModule) -> Service:
    """Return the service of a module's options, or end the module."""
    secrets = {name: str(value) for name, value in module.params["secret_environment"].items()}
    hide(module)
    try:
        options = with_secret_headers(module.params["service"], module.params["secret_headers"])
        options["env_vars"] = {name: str(value) for name, value in options["env_vars"].items()}
        return from_options(options, secrets)
    except Failure as failure:
        failure.step = "check options"
        conclude(module, failure, {"changed": False})
        raise


def run_on_site(
    module: AnsibleModule, work: Callable[[Site], dict[str, Any]], release: bool
) -> None:
    """Do a module's work on its site and end the module; all that `work` returns is added.

    `release`: give the fence up at the end, so that nobody need wait for its deadline.
    """
    run_with(module, lambda: _site(module), work, release)


def _site(module: AnsibleModule) -> Site:
    options = module.params
    files, ahead = source.from_options(options), front.from_options(options)
    return Site(service_of(module), claim(options["fence"]), files, ahead)


def run_with(
    module: AnsibleModule, make: Callable[[], S], work: Callable[[S], dict[str, Any]], release: bool
) -> None:
    """Do a module's work, as `run_on_site` does, on a site that `make` returns."""
    lead_session()
    os.umask(0o022)  # the host's own must not keep the service from its folders
    _stop_on_signals()
    know(module.no_log_values)
    site = outcome(make)
    if isinstance(site, Failure):
        conclude(module, site, {"changed": False})
        return
    answer = outcome(lambda: work(site))
    if release:
        _give_up(site)
    if isinstance(answer, Failure):
        conclude(module, answer, site.result())
    else:
        module.exit_json(**{**site.result(), **answer})


def _give_up(site: Ground) -> None:
    if site.fence.holder is not None:
        with suppress(Failure):  # somebody forced the fence away: it is not ours to release
            site.fence.release()


def _stop_on_signals() -> None:
    def stop(number: int, _frame: object) -> None:
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Failure(
            "terminated",
            f"the run was stopped by {signal.Signals(number).name}",
            "a half-made release was removed; see what runs now, then deploy again",
        )

    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, stop)
