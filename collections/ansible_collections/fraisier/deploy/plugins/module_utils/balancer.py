# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Taking this host out of somebody else's balancer while the service on it changes.

That it is out is noted on the disk first, so that whoever comes after a cut puts it back in.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Callable, Iterator, Mapping, Protocol, Sequence, cast

from . import envfile
from .commands import SYSTEM_PATH, Finished, User, find_user, run
from .failure import Failure
from .files import read_json, remove_file, write_json
from .front import NONE, Front
from .health import Place
from .ledger import Ledger
from .prepare import user_environment
from .releases import Layout
from .report import Report
from .site import Site

#: A drain command returns when nothing is under way any more, which may take as long as requests.
SECONDS = 600.0
NOTE = "drained.json"


class Ground(Protocol):
    """What is drained: a site, whatever its service runs in."""

    front: Front | None
    report: Report

    @property
    def layout(self) -> Layout:
        """Its folders."""


@contextmanager
def drained(site: Ground, user: User, place: Place | None = None) -> Iterator[None]:
    """Keep this host out of the balancer for the length of the block, however that ends.

    `place`: where the commands run; the folder of a systemd service where it is left out.
    Nothing is done where no balancer was configured. Raises Failure `drain_failed` before the
    block, and `undrain_failed` after one that went well.
    """
    front = site.front
    if front is None or front.kind != NONE or not (front.drain_command or front.undrain_command):
        yield
        return
    note = os.path.join(site.layout.state, NOTE)
    if place is None:
        plain = cast(Site, site)
        place = Place(user, plain.layout.app_path, _environment(plain, user))
    try:
        with site.report.step("drain") as step:
            step["changed"] = True
            write_json(note, {
                "command": list(front.undrain_command or ()), "user": user.name,
                "folder": place.folder,
            })  # fmt: skip
            _require("drain", front.drain_command, place)
        yield
    except BaseException:
        try:
            _put_back(site, note, place)
        except Failure as failure:  # what went wrong first is what is told; this is in the log
            site.report.say("undrain", f"{failure.message}\n{failure.text}")
        raise
    _put_back(site, note, place)


def heal(ledger: Ledger, own: Callable[[], Mapping[str, str]] | None = None) -> bool:
    """Put this host back into the balancer, where a run was cut midway; hold the fence.

    `own`: the variables of what is current; those of a systemd service where it is left out.
    """
    note = os.path.join(ledger.layout.state, NOTE)
    found = read_json(note)
    if found is None:
        return False
    user = find_user(str(found["user"]))
    variables = own() if own else _stored(ledger)
    environment = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "HOME": user.home, **variables}
    folder = str(found.get("folder") or ledger.layout.app_path)
    _require("undrain", found["command"], Place(user, folder, environment))
    return remove_file(note)


def _stored(ledger: Ledger) -> Mapping[str, str]:
    current = ledger.current()
    return envfile.parse((ledger.stored(current)[0] if current else None) or "")


def _put_back(site: Ground, note: str, place: Place) -> None:
    front = site.front
    with site.report.step("undrain") as step:
        step["changed"] = True
        command = front.undrain_command if front else ()
        _require("undrain", command, place)
        remove_file(note)


def _environment(site: Site, user: User) -> dict[str, str]:
    service = site.service
    return {
        **user_environment(site, user),
        **service.env_vars,
        **service.secrets,
        "FRAISIER_FRAISE": service.fraise,
        "FRAISIER_ENVIRONMENT": service.environment,
    }


def _require(what: str, command: Sequence[str], place: Place) -> None:
    if not command:
        return
    finished = run(
        list(command), env=place.environment, cwd=place.folder, user=place.user, timeout=SECONDS
    )
    if finished.code != 0:
        raise _failure(what, command, finished)


def _failure(what: str, command: Sequence[str], finished: Finished) -> Failure:
    how = "it did not end in time" if finished.timed_out else f"exit status {finished.code}"
    if what == "drain":
        return Failure(
            "drain_failed",
            f"the drain_command {command[0]} failed: {how}",
            "nothing that serves was changed; run it by hand on the host as service_user",
            finished.output,
        )
    return Failure(
        "undrain_failed",
        f"the undrain_command {command[0]} failed, so this host may get no requests: {how}",
        "put the host back into the balancer by hand, then deploy again",
        finished.output,
    )
