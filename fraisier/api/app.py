"""The Flask application: its routes, and every error as RFC 9457 problem details."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, json
from werkzeug.exceptions import HTTPException

from fraisier.api.health import Health, blueprint
from fraisier.domain.errors import FraisierError
from fraisier.domain.ports import Store

MAX_BODY_BYTES = 1 << 20
PROBLEM = "application/problem+json"


def create_app(store: Store) -> Flask:
    """Return the application on a store."""
    app = Flask("fraisier", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    health = Health(store)
    app.register_blueprint(blueprint(health))
    app.register_blueprint(blueprint(health), url_prefix="/api/v1", name="health_v1")
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(FraisierError, _our_problem)
    app.after_request(_harden)
    return app


def problem(status: int, code: str, title: str, detail: str = "") -> Response:
    """Return an error as problem details; `code` is the stable name of what is wrong."""
    body: dict[str, Any] = {"status": status, "code": code, "title": title}
    if detail:
        body["detail"] = detail
    return Response(json.dumps(body), status, content_type=PROBLEM)


def _http_problem(error: HTTPException) -> Response:
    status = error.code or 500
    code = error.name.lower().replace(" ", "_")
    answer = problem(status, code, error.name)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _our_problem(error: FraisierError) -> Response:
    return problem(503, error.code, "Service Unavailable")


def _harden(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    return answer
