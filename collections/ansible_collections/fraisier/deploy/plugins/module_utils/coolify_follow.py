# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""One deployment at Coolify from the request for it to its end; never two for one request."""

from __future__ import annotations

import time
from contextlib import suppress

from .contained import require_heard
from .coolify_answers import OPEN, PASSING, REFUSED
from .coolify_http import Api
from .coolify_resource import CANCELLED, FINISHED, Deployment, Resource
from .coolify_site import CoolifySite
from .failure import Failure

#: Seconds in which a deployment shows itself whose request got no answer.
SEARCH = 20.0
#: Seconds to see that a deployment which was cancelled has ended.
CANCEL = 15.0
#: Seconds for the same while something waits for this process to end.
HASTE = 2.0
KEPT_LINES = 200


def require_alone(site: CoolifySite) -> list[str]:
    """Return the deployments there are, once none is under way.

    One that this machine began and did not see the end of is cancelled. One of somebody else's is
    waited for, `wait_for_others` seconds; then Failure `deployment_under_way` is raised.
    """
    stop_ours(site)
    limit = time.monotonic() + site.service.wait_for_others
    while True:
        found = site.resource.deployments()
        others = [each.uuid for each in found if each.under_way]
        if not others:
            return [each.uuid for each in found]
        if time.monotonic() >= limit:
            raise Failure(
                "deployment_under_way",
                f"somebody else's deployment is under way at Coolify: {', '.join(others)}",
                "wait for its end or cancel it in Coolify; wait_for_others waits for it",
            )
        _pause(site, min(site.service.poll_interval, max(0.0, limit - time.monotonic())))


def trigger(site: CoolifySite, known: list[str]) -> str | None:
    """Ask for a deployment, once; returns its uuid (None: a service's restart has none).

    Where the answer was lost, the deployment is looked for among those that were not `known`.
    """
    site.begin(known)
    try:
        uuid = site.resource.start()
    except Failure as failure:
        if failure.code in REFUSED:
            site.ended()
        if failure.code not in OPEN:
            raise
        if not site.service.is_application:
            site.report.say("trigger", f"{failure.message}; whether it restarts is seen next")
            return None
        site.report.say("trigger", f"{failure.message}; looking for the deployment")
        uuid = _search(site, known, SEARCH)
        if uuid is None:
            raise Failure(
                "trigger_lost",
                f"it is not known whether Coolify began a deployment: {failure.message}",
                "look in Coolify; it was not asked again, so that there are not two",
            ) from None
    if uuid is None and site.service.is_application:
        site.ended()
        raise Failure(
            "deployment_under_way",
            "Coolify began no deployment: one is queued already",
            "wait for its end or cancel it in Coolify, then deploy again",
        )
    if uuid is not None:
        site.begin(known, uuid)
        if uuid in known:
            site.ended()
            raise Failure(
                "deployment_under_way",
                f"Coolify began no deployment, and names an earlier one: {uuid}",
                "wait for its end or cancel it in Coolify, then deploy again",
            )
    return uuid


def _begun(site: CoolifySite, known: list[str]) -> list[Deployment]:
    """Return what was begun through the API since; raises Failure where Coolify does not tell."""
    return [d for d in site.resource.deployments() if d.uuid not in known and d.by_api]


def _search(site: CoolifySite, known: list[str], seconds: float) -> str | None:
    """Return the deployment that was begun since, if one shows itself in time."""
    limit = time.monotonic() + seconds
    while True:
        try:
            found = _begun(site, known)
            if found:
                return found[-1].uuid
        except Failure as failure:
            if failure.code not in (*PASSING, "coolify_limited"):
                raise
        if time.monotonic() >= limit:
            return None
        _pause(site, min(site.service.poll_interval, 2.0))


def follow(site: CoolifySite, uuid: str) -> Deployment:
    """Follow a deployment until it has ended, well or not; raises Failure `deployment_timeout`.

    One that takes longer than `timeout`, and one whose follower is ended, is cancelled. While
    Coolify cannot be reached it is tried on.
    """
    limit = time.monotonic() + site.service.timeout
    last: Deployment | None = None
    try:
        while True:
            last = _look(site, uuid) or last
            if last is not None and not last.under_way:
                break
            if time.monotonic() >= limit:
                raise Failure(
                    "deployment_timeout",
                    f"Coolify's deployment {uuid} did not end within {site.service.timeout:g} s "
                    f"(timeout); it is {last.status if last else 'not to be seen'}",
                    "read its log in Coolify; raise timeout, and progress_deadline with it",
                )
            _pause(site, site.service.poll_interval)
    except BaseException as error:
        _tell(site, last)
        ended = isinstance(error, Failure) and error.code == "deployment_timeout"
        cancel(site, uuid, CANCEL if ended else HASTE)
        raise
    _tell(site, last)
    site.ended()
    return last


def require_finished(deployment: Deployment) -> None:
    """Raise Failure unless a deployment that has ended did so well."""
    if deployment.status == FINISHED:
        return
    if deployment.status == CANCELLED:
        raise Failure(
            "deployment_cancelled",
            f"somebody cancelled Coolify's deployment {deployment.uuid}",
            "ask who did, then deploy again",
        )
    last = f": {deployment.lines[-1][:300]}" if deployment.lines else ""
    raise Failure(
        "deployment_failed",
        f"Coolify's deployment {deployment.uuid} ended as {deployment.status}{last}",
        "read its log, here or in Coolify",
    )


def _look(site: CoolifySite, uuid: str) -> Deployment | None:
    try:
        return site.resource.deployment(uuid)
    except Failure as failure:
        if failure.code not in (*PASSING, "coolify_limited"):
            raise
        site.report.say("follow", failure.message)
        return None


def stop_ours(site: CoolifySite) -> str | None:
    """Cancel what this machine began and did not see the end of.

    Returns the uuid of one that would not end; None: nothing of ours is under way.
    """
    note = site.note()
    if note is None:
        return None
    uuid = note["uuid"]
    if not uuid:
        try:
            begun = _begun(site, note["known"])
        except Failure:  # it may run: the note of it stays
            return "whose id was lost"
        if not begun:
            site.ended()
            return None
        uuid = begun[-1].uuid
    return None if cancel(site, str(uuid), CANCEL) else str(uuid)


def cancel(site: CoolifySite, uuid: str, seconds: float) -> bool:
    """Cancel a deployment; True once it is seen to have ended."""
    limit = time.monotonic() + seconds
    resource = Resource(site.service, Api(site.service.place, patience=seconds))
    while True:
        with suppress(Failure):
            resource.cancel(uuid)
            if not resource.deployment(uuid).under_way:
                site.ended()
                return True
        if time.monotonic() >= limit:
            return False
        time.sleep(min(0.3, seconds))


def _tell(site: CoolifySite, deployment: Deployment | None) -> None:
    if deployment is not None and deployment.lines:
        cut = len(deployment.lines) - KEPT_LINES
        begin = [f"[... {cut} lines before this]"] if cut > 0 else []
        site.report.say("follow", "\n".join([*begin, *deployment.lines[-KEPT_LINES:]]))


def _pause(site: CoolifySite, seconds: float) -> None:
    """Wait, and notice when nobody hears this process any more."""
    require_heard()
    site.fence.check()
    time.sleep(seconds)
