"""The queue over HTTP: looked at, paused, resumed; and the workers."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from fraisier.api.access import who
from fraisier.api.answers_of_queue import PauseItem, QueueItem, WorkerPage
from fraisier.api.asks import ListQuery, PauseRequest, ResumeRequest
from fraisier.api.foreign import Foreign
from fraisier.api.pages import page_of_all
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.token import Scope


def blueprints(services: Services) -> list[Routes]:
    """Return the routes of the queue and of the workers."""
    return [_queue(services), _workers(services)]


def _queue(services: Services) -> Routes:
    routes = Routes(
        "queue", __name__, url_prefix="/api/v1/queue", description="The queue.",
        foreign=Foreign.REFUSED,
    )  # fmt: skip

    @routes.operation("GET", "", Scope.READ, QueueItem, foreign=Foreign.HIDDEN)
    def queue() -> Response:
        """Show what waits and why, what runs where, who works, and whether it is paused."""
        return jsonify(services.overview.queue())

    @routes.operation("POST", "/pause", Scope.ADMIN, PauseItem, body=PauseRequest)
    def pause(body: dict[str, Any]) -> Response:
        """Let nothing more begin, on any worker. What runs goes on, and requests are accepted."""
        return jsonify(services.overview.pause(who(), body["reason"]))

    @routes.operation(
        "POST", "/resume", Scope.ADMIN, PauseItem, body=ResumeRequest, body_required=False,
        description="The pause that is over.",
    )  # fmt: skip
    def resume(_body: dict[str, Any]) -> Response:
        """Let the queue go on; 409 where it is not paused."""
        return jsonify(services.overview.resume(who()))

    return routes


def _workers(services: Services) -> Routes:
    routes = Routes(
        "workers", __name__, url_prefix="/api/v1/workers", description="Workers.",
        foreign=Foreign.HIDDEN,
    )  # fmt: skip

    @routes.operation("GET", "", Scope.READ, WorkerPage, query=ListQuery)
    def workers(query: dict[str, Any]) -> Response:
        """List the processes that work, with their labels and what each holds."""
        return page_of_all("workers", services.overview.workers(), **query)

    return routes
