"""Deployments over HTTP: asked for, looked at, stopped, taken back."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, jsonify

from fraisier.api import streams
from fraisier.api.access import who
from fraisier.api.answers import (
    Deployment,
    DeploymentDetails,
    DeploymentPage,
    EventPage,
    LogPage,
    Preview,
)
from fraisier.api.asks import (
    CancelRequest,
    DeploymentsQuery,
    DeployRequest,
    EventsQuery,
    GoOnRequest,
    LastEventHeader,
    RollbackRequest,
)
from fraisier.api.foreign import Foreign
from fraisier.api.glass import require_glass
from fraisier.api.lists import page_of_deployments
from fraisier.api.pages import page
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.deployment import Deployment as Recorded
from fraisier.domain.paging import Place
from fraisier.domain.token import Scope
from fraisier.engine.deployments import Wish
from fraisier.engine.following import Viewer
from fraisier.engine.pieces import LOG_LINE
from fraisier.engine.views import deployment_json, event_json

PREFIX = "/api/v1/deployments"
LOCATION = {"Location": {"description": "Where the deployment is.", "schema": {"type": "string"}}}


def blueprint(services: Services) -> Routes:
    """Return the routes of deployments."""
    routes = Routes(
        "deployments", __name__, url_prefix=PREFIX, description="Deployments.",
        foreign=Foreign.HIDDEN,
    )  # fmt: skip
    _asking(routes, services)
    _looking(routes, services)
    return routes


def _asking(routes: Routes, services: Services) -> None:
    @routes.operation(
        "POST", "", Scope.DEPLOY, Deployment, 202, body=DeployRequest, keyed=True, headers=LOCATION,
        also={200: (Preview, "With `dry_run`: what would be done.")}, problems=(404, 502),
    )  # fmt: skip
    def deploy(body: dict[str, Any], headers: dict[str, Any]) -> Response:
        """Deploy a version, or see what that would change.

        The deployment waits for its turn and is worked on by the server. Follow it with its events.
        """
        dry_run = body.pop("dry_run")
        body["backup"] = body["backup"] is not False
        require_glass(services, body, "deploy", f"{body['fraise']} {body['environment']}")
        wish = Wish(triggered_by=who(), idempotency_key=headers["key"], **body)
        with services.slow():
            if dry_run:
                return jsonify(services.previews.deploy(wish))
            return accepted(services.deployments.deploy(wish))

    @routes.operation(
        "POST", "/<name:deployment_id>/rollback", Scope.DEPLOY, Deployment, 202,
        body=RollbackRequest, keyed=True, headers=LOCATION, problems=(502,),
    )  # fmt: skip
    def rollback(body: dict[str, Any], headers: dict[str, Any], deployment_id: str) -> Response:
        """Take this deployment's target back to an earlier version, as a new deployment."""
        target = services.store.deployment(deployment_id).target
        wish = Wish(
            target.fraise,
            target.environment,
            who(),
            version=body["to_version"],
            strategy=body["strategy"],
            force=body["force"],
            idempotency_key=headers["key"],
            reason=body["reason"] or "",
        )
        with services.slow():
            return accepted(services.deployments.rollback(wish))

    @routes.operation(
        "POST", "/<name:deployment_id>/cancel", Scope.DEPLOY, Deployment, 202,
        body=CancelRequest, body_required=False,
        description="It is worked on, and asked to stop.",
        also={200: (Deployment, "It waited, and is cancelled.")},
    )  # fmt: skip
    def cancel(_body: dict[str, Any], deployment_id: str) -> Response:
        """Stop a deployment: what it changed goes back first.

        One that has ended is refused. One that is asked to stop may still end otherwise; look.
        """
        found = services.deployments.cancel(deployment_id, who())
        status = HTTPStatus.OK if found.status.terminal else HTTPStatus.ACCEPTED
        answer = jsonify(deployment_json(found))
        answer.status_code = status
        return answer

    @routes.operation(
        "POST", "/<name:deployment_id>/resume", Scope.DEPLOY, Deployment, 202,
        body=GoOnRequest, body_required=False, description="It goes on with its next step.",
    )  # fmt: skip
    def resume(_body: dict[str, Any], deployment_id: str) -> Response:
        """Let a paused deployment go on; one that is not paused is refused."""
        answer = jsonify(deployment_json(services.deployments.resume(deployment_id, who())))
        answer.status_code = HTTPStatus.ACCEPTED
        return answer


def _looking(routes: Routes, services: Services) -> None:
    @routes.operation("GET", "", Scope.READ, DeploymentPage, query=DeploymentsQuery)
    def listed(query: dict[str, Any]) -> Response:
        """List deployments, newest first unless `sort` says otherwise."""
        return page_of_deployments(services, query, fraise=query["fraise"])

    @routes.operation("GET", "/<name:deployment_id>", Scope.READ, DeploymentDetails)
    def shown(deployment_id: str) -> Response:
        """Show one deployment: its end, its reason, and each host's part."""
        return jsonify(services.looks.deployment(deployment_id))

    @routes.operation(
        "GET", "/<name:deployment_id>/events", Scope.READ, EventPage, query=EventsQuery,
        header=LastEventHeader,
    )  # fmt: skip
    def events(query: dict[str, Any], header: dict[str, Any], deployment_id: str) -> Response:
        """List a deployment's events in order; `after` the last one seen gives the new ones.

        With `Accept: text/event-stream` it follows them live, to the end of the deployment.
        """
        return _log("events", None, deployment_id, **query, **header)

    @routes.operation(
        "GET", "/<name:deployment_id>/logs", Scope.READ, LogPage, query=EventsQuery,
        header=LastEventHeader,
    )  # fmt: skip
    def logs(query: dict[str, Any], header: dict[str, Any], deployment_id: str) -> Response:
        """List what the build, the service and the hosts said: the events of type log.line.

        With `Accept: text/event-stream` it follows them live, to the end of the deployment.
        """
        return _log("logs", LOG_LINE, deployment_id, **query, **header)

    def _log(
        noun: str,
        kind: str | None,
        deployment_id: str,
        after: int,
        limit: int,
        cursor: Place | None,
        last_event_id: str | None,
    ) -> Response:
        if streams.wanted():
            services.store.deployment(deployment_id)
            seen = streams.seen(services.store, deployment_id, after, last_event_id)
            viewer = Viewer(deployment_id, seen, kind is not None, who())
            return streams.stream(services.following, viewer)
        store = services.store
        after = after if cursor is None else cursor.at
        recorded = store.events(deployment_id, after, limit + 1, kind)
        found = [event_json(event) for event in recorded[:limit]]
        more = len(recorded) > limit
        following = Place(recorded[limit - 1].sequence, "") if more else None
        total = store.count_events(deployment_id, kind)
        before = total - store.count_events(deployment_id, kind, after)
        return page(noun, found, total, limit, before, following)


def accepted(deployment: Recorded) -> Response:
    """Return the answer to a request that became a deployment."""
    answer = jsonify(deployment_json(deployment))
    answer.status_code = HTTPStatus.ACCEPTED
    answer.headers["Location"] = f"{PREFIX}/{deployment.id}"
    return answer
