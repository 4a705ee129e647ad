# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""One deployment at Coolify from the request for it to its end; never two for one request."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import takewhile

from .contained import require_heard
from .coolify_answers import OPEN, PASSING, REFUSED
from .coolify_http import Api
from .coolify_resource import CANCELLED, COMMIT, FINISHED, Deployment, Resource
from .coolify_settings import put_back
from .coolify_site import CoolifySite
from .failure import Failure
from .redaction import shorten

#: Seconds in which a deployment shows itself whose request got no answer.
SEARCH = 20.0
#: Seconds to see that a deployment which was cancelled has ended.
CANCEL = 15.0
#: Seconds for the same while something waits for this process to end.
HASTE = 2.0
#: Seconds for which a full queue is tried again, and between two tries.
FULL, FULL_PAUSE = 60.0, 5.0
KEPT_LINES, LINE = 200, 2000
PASSES = (*PASSING, "coolify_limited", "coolify_not_found")


def require_alone(site: CoolifySite) -> list[str]:
    """Return the deployments there are, once none is under way.

    Waits `wait_for_others` seconds for one that somebody else began; then raises Failure
    `deployment_under_way`.
    """
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
    """Have Coolify begin one deployment; returns its uuid (None: a service's restart has none).

    Where the answer was lost, the deployment is looked for among those that were not `known`.
    Where Coolify's queue is full, the request is repeated for a while; then Failure `queue_full`
    is raised.
    """
    limit = time.monotonic() + max(FULL, site.service.wait_for_others)
    while True:
        uuid = _request(site, known)
        if uuid is None or _is_there(site, uuid):
            return uuid
        begun = _begun(site, known)
        if begun:
            site.add_to_note(uuid=begun[-1].uuid)
            return begun[-1].uuid
        site.add_to_note(uuid=None, asked=False)
        if time.monotonic() + FULL_PAUSE > limit:
            raise Failure(
                "queue_full",
                "Coolify began no deployment: the queue of its server is full",
                "wait until deployments there have ended, or raise the server's deployment queue "
                "limit in Coolify; then deploy again",
            )
        site.report.say("trigger", "Coolify's queue is full; the request is repeated")
        _pause(site, FULL_PAUSE)


def _request(site: CoolifySite, known: list[str]) -> str | None:
    """Ask for a deployment, once; returns the uuid that Coolify names."""
    site.add_to_note(asked=True)
    try:
        uuid = site.resource.start()
    except Failure as failure:
        if failure.code in REFUSED:
            site.add_to_note(asked=False)
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
    if site.service.is_application and (uuid is None or uuid in known):
        site.add_to_note(asked=False)
        which = f", and names an earlier one: {uuid}" if uuid else ": one is queued already"
        raise Failure(
            "deployment_under_way",
            f"Coolify began no deployment{which}",
            "wait for its end or cancel it in Coolify, then deploy again",
        )
    if uuid is not None:
        site.add_to_note(uuid=uuid)
    return uuid


def _is_there(site: CoolifySite, uuid: str) -> bool:
    """Return whether a deployment exists; a full queue is answered with the id of none.

    While Coolify does not tell it is taken for one that does: its follower looks on.
    """
    limit = time.monotonic() + SEARCH
    while True:
        try:
            return site.resource.find(uuid) is not None
        except Failure as failure:
            if failure.code not in (*PASSES, *REFUSED):
                raise
            if failure.code not in PASSES:
                return True
        if time.monotonic() >= limit:
            return True
        _pause(site, min(site.service.poll_interval, 2.0))


def _begun(site: CoolifySite, known: list[str]) -> list[Deployment]:
    """Return what was begun through the API since; raises Failure where Coolify does not tell."""
    wrote = ((site.note() or {}).get("undo") or {}).get("wrote", {}).get(COMMIT, "HEAD")
    since = takewhile(lambda each: each.uuid not in known, site.resource.deployments())
    ours = ("", "HEAD", wrote)
    return [d for d in since if d.by_api and (wrote == "HEAD" or d.commit in ours)]


def _search(site: CoolifySite, known: list[str], seconds: float) -> str | None:
    """Return the deployment that was begun since, if one shows itself in time."""
    limit = time.monotonic() + seconds
    while True:
        try:
            found = _begun(site, known)
            if found:
                return found[-1].uuid
        except Failure as failure:
            if failure.code not in PASSES:
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
    site.add_to_note(ended=True)
    return last


def require_finished(site: CoolifySite, deployment: Deployment) -> None:
    """Raise Failure unless a deployment that has ended did so well."""
    if deployment.status == FINISHED:
        return
    if deployment.status == CANCELLED:
        raise Failure(
            "deployment_cancelled",
            f"somebody cancelled Coolify's deployment {deployment.uuid}",
            "ask who did, then deploy again",
        )
    last = f": {shorten(site.hide(deployment.lines[-1]), 300)}" if deployment.lines else ""
    raise Failure(
        "deployment_failed",
        f"Coolify's deployment {deployment.uuid} ended as {deployment.status}{last}",
        "read its log, here or in Coolify",
    )


def _look(site: CoolifySite, uuid: str) -> Deployment | None:
    try:
        found = site.resource.find(uuid)
    except Failure as failure:
        if failure.code not in PASSES:
            raise
        site.report.say("follow", failure.message)
        return None
    if found is None:
        raise Failure(
            "coolify_not_found",
            f"Coolify does not know its deployment {uuid} any more",
            "see in Coolify whether somebody removed it or the application, then deploy again",
        )
    return found


def stop_ours(site: CoolifySite) -> str | None:
    """Undo what this machine began and did not bring to a good end.

    A deployment that is still under way is cancelled; then Coolify's settings are those of what
    runs again. Returns what could not be undone; None: nothing of ours is left.
    """
    note = site.note()
    if note is None:
        return None
    uuid = note.get("uuid")
    if not uuid and note.get("asked", True):
        try:
            begun = _begun(site, note["known"])
        except Failure:  # it may run: the note of it stays
            return "a deployment whose id was lost"
        uuid = begun[-1].uuid if begun else None
    if uuid:
        site.add_to_note(uuid=uuid)
        if not cancel(site, str(uuid), CANCEL):
            return str(uuid)
    try:
        if site.service.is_application or not note.get("asked", True):
            put_back(site)
    except Failure as failure:
        site.report.say("recover", failure.message)
        return "its settings at Coolify"
    site.ended()
    return None


def cancel(site: CoolifySite, uuid: str, seconds: float) -> bool:
    """Cancel a deployment; True once it is seen to have ended, or not to be there."""
    limit = time.monotonic() + seconds
    resource = Resource(site.service, Api(site.service.place, patience=seconds))
    while True:
        with suppress(Failure):
            with suppress(Failure):
                resource.cancel(uuid)
            found = resource.find(uuid)
            if found is None or not found.under_way:
                return True
        if time.monotonic() >= limit:
            return False
        time.sleep(min(0.3, seconds))


def _tell(site: CoolifySite, deployment: Deployment | None) -> None:
    if deployment is not None and deployment.lines:
        lines = site.hide("\n".join(deployment.lines)).split("\n")
        left = len(lines) - KEPT_LINES
        begin = [f"[... {left} lines before this]"] if left > 0 else []
        kept = [shorten(line, LINE) for line in lines[-KEPT_LINES:]]
        site.report.say("follow", "\n".join([*begin, *kept]))


def _pause(site: CoolifySite, seconds: float) -> None:
    """Wait, and notice when nobody hears this process any more."""
    require_heard()
    site.fence.check()
    time.sleep(seconds)
