"""Whether this process lives, is ready, and reaches its database. No token is needed to ask."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from fraisier import __version__
from fraisier.domain.errors import StoreError
from fraisier.domain.ports import Filter, Store


class Health:
    """Looks at the parts, one by one; what it says holds no path and no secret."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def database(self) -> dict[str, str]:
        """Return `{"status": "ok"}`, or what is wrong, after really reading."""
        try:
            self._store.deployments(Filter(limit=1))
        except StoreError:
            return {"status": "failed", "reason": "the database does not answer"}
        return {"status": "ok"}

    def whole(self) -> dict[str, object]:
        """Return the health of everything."""
        parts = {"database": self.database()}
        ok = all(part["status"] == "ok" for part in parts.values())
        return {"status": "ok" if ok else "failed", "version": __version__, "parts": parts}


def blueprint(health: Health) -> Blueprint:
    """Return the health routes."""
    routes = Blueprint("health", __name__)

    @routes.get("/health")
    def whole() -> tuple[Response, int]:
        return _answer(health.whole())

    @routes.get("/health/live")
    def live() -> tuple[Response, int]:
        return _answer({"status": "ok"})

    @routes.get("/health/ready")
    def ready() -> tuple[Response, int]:
        return _answer(health.whole())

    @routes.get("/health/database")
    def database() -> tuple[Response, int]:
        return _answer(health.database())

    return routes


def _answer(said: dict[str, object] | dict[str, str]) -> tuple[Response, int]:
    return jsonify(said), 200 if said["status"] == "ok" else 503
