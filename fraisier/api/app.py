"""The Flask application: its routes, who may use them, and the OpenAPI document that says so."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, jsonify, request
from flask.json.provider import DefaultJSONProvider
from flask_smorest import Api

from fraisier import __version__
from fraisier.api import (
    access,
    audit,
    deployments,
    documents,
    fraises,
    freezes,
    git_webhooks,
    health,
    idempotency,
    metrics,
    queue,
    tending,
    tokens,
    webhook_endpoints,
)
from fraisier.api.answers import Problem
from fraisier.api.finishing import finished
from fraisier.api.problems import PROBLEM, Problems
from fraisier.api.routes import Name
from fraisier.api.services import Services

MAX_BODY_BYTES = 1 << 20
PAGE_POLICY = "default-src 'none'; style-src 'self'; "
CLOSED_POLICY = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SETTINGS = {
    "API_TITLE": "Fraisier control API",
    "API_VERSION": __version__,
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/api/v1",
    "OPENAPI_JSON_PATH": "openapi.json",
    "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
}
ABOUT = (
    "Deploys services to a team's own machines, and says what is true on them. "
    "Every request but those for health carries a token: Authorization: Bearer TOKEN. "
    "Every error is application/problem+json with a stable code."
)


class PlainJson(DefaultJSONProvider):
    """JSON as the command line prints it: in the order of the views, without escapes."""

    ensure_ascii = False
    sort_keys = False


class PinnedFlask(Flask):
    """An application whose every request sees one configuration from its beginning to its end."""

    def __init__(self, services: Services) -> None:
        super().__init__("fraisier", static_folder=None)
        self._pinned = services.pinned

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request."""
        with self._pinned():
            return super().wsgi_app(environ, start_response)


class FraisierApi(Api):  # type: ignore[misc]
    """The API's description, with our own errors; each operation says which it may answer."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document, once all operations are there."""
        return finished(self.spec.to_dict())

    def _openapi_json(self) -> Response:
        return jsonify(self.document)

    def _register_error_handlers(self) -> None:
        """Leave errors to `Problems`."""

    def _register_responses(self) -> None:
        """Describe every error as a problem."""
        for status in HTTPStatus:
            content = {PROBLEM: {"schema": Problem}}
            answer = {"description": status.phrase, "content": content}
            self.spec.components.response(status.name, answer, lazy=True)


def create_app(services: Services) -> Flask:
    """Return the application on its services."""
    app = PinnedFlask(services)
    app.config.update(SETTINGS)
    app.json = PlainJson(app)
    app.url_map.converters["name"] = Name
    app.url_map.merge_slashes = False  # `//x` is no other way to write `/x`
    registry = metrics.registry_of(app, services)
    Problems(services.hidden).register(app)
    access.guard(app, services.tokens, services.rates)
    idempotency.remember(app, services.store)
    whole, services = services, access.reached(services)
    api = FraisierApi(app, spec_kwargs=_about())
    api.register_blueprint(deployments.blueprint(services))
    parts = (fraises, queue, git_webhooks)
    for blueprint in (each for part in parts for each in part.blueprints(services)):
        api.register_blueprint(blueprint)
    api.register_blueprint(tending.blueprint(services))
    api.register_blueprint(webhook_endpoints.blueprint(services))
    api.register_blueprint(freezes.blueprint(services))
    api.register_blueprint(audit.blueprint(services))
    api.register_blueprint(tokens.blueprint(services))
    api.register_blueprint(health.blueprint(whole))
    api.register_blueprint(health.blueprint(whole), url_prefix="/api/v1", name="health_v1")
    api.register_blueprint(metrics.blueprint(registry))
    app.register_blueprint(documents.blueprint(lambda: api.document))
    app.after_request(_harden)
    app.after_request(_tag)
    return app


def _about() -> dict[str, Any]:
    token = {"type": "http", "scheme": "bearer", "description": "fraisier token create NAME"}
    return {
        "info": {"description": ABOUT},
        "components": {"securitySchemes": {"token": token}},
    }


def _tag(answer: Response) -> Response:
    """Let a client ask whether what it read has changed: If-None-Match, and 304 where it has not.

    A stream has no tag, nor has what needs no token.
    """
    plain = answer.status_code == HTTPStatus.OK and answer.mimetype == "application/json"
    if request.method == "GET" and plain and not answer.is_streamed and "token" in g:
        answer.add_etag()
        answer.make_conditional(request)
    return answer


def _harden(answer: Response) -> Response:
    page = request.blueprint == "documents"
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    start = PAGE_POLICY if page else "default-src 'none'; "
    answer.headers["Content-Security-Policy"] = start + CLOSED_POLICY
    return answer
