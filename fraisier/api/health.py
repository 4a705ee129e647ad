"""Whether this process lives, is ready, and reaches its database. No token is needed to ask."""

from __future__ import annotations

from pathlib import Path

from flask import Response, jsonify
from marshmallow import Schema, fields

from fraisier import __version__
from fraisier.api.access import is_known
from fraisier.api.asks import said
from fraisier.api.metrics_of_health import looked_at
from fraisier.api.parts import nested, text
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.catalogue import Provider
from fraisier.domain.errors import StoreError
from fraisier.domain.health import Health as HostState
from fraisier.domain.ports import Filter

Part = dict[str, str]
OK: Part = {"status": "ok"}
NO_DATABASE: Part = {"status": "failed", "reason": "the database does not answer"}
NO_CHANGES: Part = {"status": "failed", "reason": "the database takes no changes"}
WELL = ("ok", "off")
ILL = "It is not well."


class PartItem(Schema):
    status = text("ok, off, degraded, stopping or failed")
    reason = fields.String(**said("Why it is not well, or not there."))


class ConfigurationItem(PartItem):
    digest = fields.String(**said("Of what is in force; for those with a token."))


class ProvidersItem(PartItem):
    providers = fields.Dict(
        keys=fields.String(), values=fields.Nested(PartItem), **said("Each of them, by its name.")
    )


class Parts(Schema):
    database = nested(PartItem)
    worker = nested(PartItem)
    nats = nested(PartItem)
    configuration = nested(ConfigurationItem)


class WholeItem(Schema):
    status = text("ok, or what its worst part says")
    reason = fields.String(**said("What is not well, part by part."))
    version = text("Of Fraisier.")
    parts = nested(Parts)


class Health:
    """Looks at the parts, one by one; what it says holds no secret, and no path for strangers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def database(self) -> Part:
        """Return `{"status": "ok"}`, or what is wrong, after really reading and writing."""
        try:
            self._services.store.deployments(Filter(limit=1))
        except StoreError:
            return NO_DATABASE
        return NO_CHANGES if self._services.writability.refused() else OK

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

    def providers(self) -> dict[str, object]:
        """Return for each provider whether it can be used, and whether its services are well."""
        try:
            found = looked_at(self._services.catalogue, self._services.store)
        except StoreError:
            return {**NO_DATABASE}
        unwell = {t.provider for t, host in found if host.health is not HostState.HEALTHY}
        parts = {
            name: _provider(provider, name in unwell)
            for name, provider in sorted(self._services.catalogue.providers.items())
        }
        bad = [name for name, part in parts.items() if part["status"] != "ok"]
        if not bad:
            return {**OK, "providers": parts}
        reason = f"not all is well with {', '.join(bad)}"
        return {"status": "degraded", "reason": reason, "providers": parts}

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
        bad = [(name, part) for name, part in parts.items() if part["status"] != "ok"]
        status = bad[0][1]["status"] if bad else "ok"
        reason = "; ".join(f"{name}: {part['reason']}" for name, part in bad)
        said = {"reason": reason} if reason else {}
        shown = {**parts, "nats": self.nats(), "configuration": self.configuration()}
        return {"status": status, **said, "version": __version__, "parts": shown}


def blueprint(services: Services) -> Routes:
    """Return the health routes."""
    health = Health(services)
    routes = Routes("health", __name__, description="How the server is; without a token.")

    @routes.operation("GET", "/health", None, WholeItem, also={503: (WholeItem, ILL)})
    def whole() -> Response:
        """Tell how everything is; 503 where something is not well."""
        return _answer(health.whole())

    @routes.operation("GET", "/health/live", None, PartItem)
    def live() -> Response:
        """Tell that this process lives."""
        return _answer(OK)

    @routes.operation("GET", "/health/ready", None, WholeItem, also={503: (WholeItem, ILL)})
    def ready() -> Response:
        """Tell whether requests are welcome: not while the server stops."""
        return _answer(health.whole())

    @routes.operation("GET", "/health/database", None, PartItem, also={503: (PartItem, ILL)})
    def database() -> Response:
        """Tell whether the database answers."""
        return _answer(health.database())

    @routes.operation("GET", "/health/nats", None, PartItem, also={503: (PartItem, ILL)})
    def nats() -> Response:
        """Tell whether NATS is there and takes events; 503 while not, though all else goes on."""
        return _answer(health.nats())

    @routes.operation(
        "GET", "/health/providers", None, ProvidersItem, also={503: (ProvidersItem, ILL)}
    )
    def providers() -> Response:
        """Tell whether each provider can be used and its monitored services are well.

        503 where one is not, though deployments go on.
        """
        return _answer(health.providers())

    return routes


def _provider(provider: Provider, unwell: bool) -> Part:
    """Return whether a provider can be used; the hosts of its services are named to nobody here."""
    own = [Path(book) for book in provider.playbooks.values() if book.startswith("/")]
    if not all(book.is_file() for book in own):
        return {"status": "failed", "reason": "a playbook of it is not there any more"}
    if unwell:
        return {"status": "degraded", "reason": "a host of its services is not well"}
    return OK


def _answer(said: dict[str, object] | Part) -> Response:
    answer = jsonify(said)
    answer.status_code = 200 if said["status"] in WELL else 503
    return answer
