"""Whether this process lives, is ready, and reaches its database. No token is needed to ask."""

from __future__ import annotations

from flask import Response, jsonify

from fraisier import __version__
from fraisier.api.access import is_known
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.errors import StoreError
from fraisier.domain.ports import Filter

Part = dict[str, str]
OK: Part = {"status": "ok"}
WELL = ("ok", "off")


class Health:
    """Looks at the parts, one by one; what it says holds no secret, and no path for strangers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def database(self) -> Part:
        """Return `{"status": "ok"}`, or what is wrong, after really reading."""
        try:
            self._services.store.deployments(Filter(limit=1))
        except StoreError:
            return {"status": "failed", "reason": "the database does not answer"}
        return OK

    def worker(self) -> Part:
        """Return how the queue is worked on."""
        worker, stop = self._services.worker, self._services.stop
        if stop.drain.is_set():
            return {"status": "stopping", "reason": "the server is stopping"}
        if worker is None:
            return {"status": "ok", "reason": "another process works on the queue"}
        return {"status": "failed", "reason": worker.trouble} if worker.trouble else OK

    def nats(self) -> Part:
        """Return whether wake-ups arrive and events go out; without that nothing is lost."""
        trouble = self._services.nats
        if trouble is None:
            return {"status": "off", "reason": "FRAISIER_NATS_URL is not set"}
        reason = trouble()
        return {"status": "degraded", "reason": reason} if reason else OK

    def configuration(self) -> Part:
        """Return whether the files as they are now are in force; why not, for those with a token.

        An earlier configuration is as good for requests, so it is no condition.
        """
        followed = self._services.configuration
        if followed is None:
            return OK
        part = {"status": "degraded" if followed.trouble else "ok"}
        if not is_known(self._services.tokens):
            return part
        reason = {"reason": followed.trouble} if followed.trouble else {}
        return {**part, "digest": followed.digest, **reason}

    def whole(self) -> dict[str, object]:
        """Return the health of everything; NATS is shown, and is no condition."""
        parts = {"database": self.database(), "worker": self.worker()}
        status = next((part["status"] for part in parts.values() if part["status"] != "ok"), "ok")
        shown = {**parts, "nats": self.nats(), "configuration": self.configuration()}
        return {"status": status, "version": __version__, "parts": shown}


def blueprint(services: Services) -> Routes:
    """Return the health routes."""
    health = Health(services)
    routes = Routes("health", __name__, description="How the server is; without a token.")

    @routes.operation("GET", "/health", None)
    def whole() -> Response:
        """Tell how everything is; 503 where something is not well."""
        return _answer(health.whole())

    @routes.operation("GET", "/health/live", None)
    def live() -> Response:
        """Tell that this process lives."""
        return _answer(OK)

    @routes.operation("GET", "/health/ready", None)
    def ready() -> Response:
        """Tell whether requests are welcome: not while the server stops."""
        return _answer(health.whole())

    @routes.operation("GET", "/health/database", None)
    def database() -> Response:
        """Tell whether the database answers."""
        return _answer(health.database())

    @routes.operation("GET", "/health/nats", None)
    def nats() -> Response:
        """Tell whether NATS is there and takes events; 503 while not, though all else goes on."""
        return _answer(health.nats())

    return routes


def _answer(said: dict[str, object] | Part) -> Response:
    answer = jsonify(said)
    answer.status_code = 200 if said["status"] in WELL else 503
    return answer
