"""Which codes the problems of an operation may have, by status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

Operation = Mapping[str, Any]
#: The parts of paths -> what is said where there is none such.
MISSING = {
    "fraise": "fraise_not_found",
    "environment": "environment_not_found",
    "deployment_id": "deployment_not_found",
    "token_id": "token_not_found",
    "freeze_id": "freeze_not_found",
}
ALWAYS = {
    HTTPStatus.BAD_REQUEST: ("bad_request",),
    HTTPStatus.UNAUTHORIZED: ("unauthorized",),
    HTTPStatus.FORBIDDEN: ("forbidden",),
    HTTPStatus.CONFLICT: ("refused",),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("request_entity_too_large",),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type",),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("invalid_arguments",),
    HTTPStatus.TOO_MANY_REQUESTS: ("rate_limited",),
    HTTPStatus.BAD_GATEWAY: ("error",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("store_failed",),
}
#: What besides may be where an Idempotency-Key is taken.
KEYED = {
    HTTPStatus.CONFLICT: ("idempotency_key_in_progress", "answer_not_kept"),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("idempotency_key_reused",),
}
#: What besides may be where something is to begin: the ends of such paths, and the codes.
BEGINNING = ("/deployments", "/promote")
STOPPED = ("frozen", "outside_deploy_window")
#: The ends of the paths that can be followed live.
STREAMS = ("/events", "/logs")
#: What besides may be where git servers and hosts are asked.
FAR = {HTTPStatus.SERVICE_UNAVAILABLE: ("configuration_invalid", "runner_failed")}


def codes_of(path: str, operation: Operation) -> dict[str, list[str]]:
    """Return the codes of each status of an operation that is a problem."""
    statuses = [int(each) for each in operation["responses"] if int(each) >= 400]
    return {str(each): list(_codes(path, operation, HTTPStatus(each))) for each in sorted(statuses)}


def _codes(path: str, operation: Operation, status: HTTPStatus) -> Iterator[str]:
    if status is HTTPStatus.NOT_FOUND:
        yield from _missing(path, operation)
    yield from ALWAYS.get(status, ())
    if status is HTTPStatus.CONFLICT and path.endswith(BEGINNING):
        yield from STOPPED
    if status is HTTPStatus.TOO_MANY_REQUESTS and path.endswith(STREAMS):
        yield "too_many_streams"
    far = str(HTTPStatus.BAD_GATEWAY.value) in operation["responses"]
    keyed = any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", ()))
    if keyed and not (far and status is HTTPStatus.CONFLICT):  # a deployment has its key recorded
        yield from KEYED.get(status, ())
    if status is HTTPStatus.SERVICE_UNAVAILABLE and "requestBody" in operation:
        yield "unavailable"
    if far:
        yield from FAR.get(status, ())


def _missing(path: str, operation: Operation) -> Iterator[str]:
    names = [each.strip("{}") for each in path.split("/") if each.startswith("{")]
    if not names and "requestBody" in operation:
        names = ["fraise", "environment"]
    if names:
        names += [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    known = [MISSING[each] for each in names if each in MISSING]
    yield from known or ["not_found"]
    if str(HTTPStatus.BAD_GATEWAY.value) in operation["responses"]:
        yield "version_not_found"
