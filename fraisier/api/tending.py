"""The service itself over HTTP: how it is, its log, restarting it, a command beside it, backups.

Answers wait for the hosts, for a bounded time: nothing is recorded that could be followed instead.
"""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, fields
from marshmallow.validate import Length, Range

from fraisier.api.access import who
from fraisier.api.asks import NAME_LENGTH, Request, Seconds, optional, printable, said
from fraisier.api.foreign import Foreign
from fraisier.api.parts import AsTold, list_of, text
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.errors import NotFound
from fraisier.domain.token import Scope
from fraisier.engine import logs as places
from fraisier.engine.tending import CONTROLS, MOST_LINES, Tending, Where

#: How long a command may run here, in seconds; alone the command line allows more.
EXEC_SECONDS = 600.0
MOST_WORDS = 100
LONGEST_WORD = 4000
LONGEST_PLACE = 32_000


class HostAnswer(AsTold):
    """What a host said; what else it has depends on the question."""

    host = text()
    state = text("ok, or how it went wrong")
    error = fields.Dict(required=True, allow_none=True, **said("`code`, `message` and `hint`."))


class HostAnswers(Schema):
    hosts = list_of(fields.Nested(HostAnswer))


class Controlled(HostAnswers):
    left = list_of(fields.String())


class LogAnswers(HostAnswers):
    next = text("Send it as `next`, and only what was written since comes.")


class HostQuery(Request):
    host = optional(NAME_LENGTH * 4, "Only this host.")


class LogQuery(HostQuery):
    lines = fields.Integer(
        validate=Range(1, MOST_LINES), load_default=None,
        **said("At most so many lines of each host, the last ones; default: 100."),
    )  # fmt: skip
    since = fields.AwareDateTime(
        format="iso", load_default=None, **said("Only what was written since: ISO 8601 with zone.")
    )
    next = fields.String(
        validate=[Length(1, LONGEST_PLACE), printable], load_default=None,
        **said("The `next` of an earlier answer, instead of `lines` and `since`."),
    )  # fmt: skip


class HostRequest(Request):
    host = optional(NAME_LENGTH * 4, "Only this host.")


class ProbeRequest(Request):
    """Nothing needs to be said."""


class ExecRequest(HostRequest):
    command = fields.List(
        fields.String(validate=Length(0, LONGEST_WORD)), required=True,
        validate=Length(1, MOST_WORDS), **said("The command and its arguments; there is no shell."),
    )  # fmt: skip
    timeout = Seconds(
        load_default=EXEC_SECONDS, allow_nan=False,
        validate=Range(1, EXEC_SECONDS),
        **said("End the command after so many seconds."),
    )  # fmt: skip


class RestoreRequest(HostRequest):
    id = optional(NAME_LENGTH * 2, "A backup's id; default: the newest.")


def blueprint(services: Services) -> Routes:
    """Return the routes of what is done with a service outside deployments."""
    prefix = "/api/v1/fraises/<name:fraise>/environments/<name:environment>"
    routes = Routes(
        "services", __name__, url_prefix=prefix, description="The service itself.",
        foreign=Foreign.HIDDEN,
    )  # fmt: skip
    _looking(routes, services)
    for verb in CONTROLS:
        _control(routes, services, verb)
    _admin(routes, services)
    _backups(routes, services)
    return routes


def _looking(routes: Routes, services: Services) -> None:
    @routes.operation("POST", "/probe", Scope.READ, HostAnswers, body=ProbeRequest,
                      body_required=False)  # fmt: skip
    def probe(_body: dict[str, Any], fraise: str, environment: str) -> Response:
        """Show what really runs on each host, and where it `differs` from the records."""
        with services.long():
            where = Where(fraise, environment)
            return _hosts(_tending(services, where).probe(where))

    @routes.operation("GET", "/app/status", Scope.READ, HostAnswers, query=HostQuery)
    def status(query: dict[str, Any], fraise: str, environment: str) -> Response:
        """Show how the service is on each host."""
        with services.long():
            where = Where(fraise, environment, **query)
            return _hosts(_tending(services, where).status(where))

    @routes.operation("GET", "/app/logs", Scope.READ, LogAnswers, query=LogQuery)
    def logs(query: dict[str, Any], fraise: str, environment: str) -> Response:
        """Show what the service wrote, as its hosts have it; `next` asks for what comes then."""
        where = Where(fraise, environment, query["host"])
        with services.long():
            found, then = _tending(services, where).logs(where, _asked(query))
        return jsonify({"hosts": found, "next": places.written(then)})


def _control(routes: Routes, services: Services, verb: str) -> None:
    def control(body: dict[str, Any], fraise: str, environment: str) -> Response:
        where = Where(fraise, environment, **body)
        with services.long():
            return jsonify(_tending(services, where).control(where, verb, who()))

    healthy = "" if verb == "stop" else "; each host must become healthy"
    control.__name__, control.__doc__ = verb, f"{verb.capitalize()} the service{healthy}."
    routes.operation("POST", f"/app/{verb}", Scope.DEPLOY, Controlled, body=HostRequest,
                     body_required=False)(control)  # fmt: skip


def _admin(routes: Routes, services: Services) -> None:
    @routes.operation("POST", "/app/exec", Scope.ADMIN, HostAnswers, body=ExecRequest)
    def execute(body: dict[str, Any], fraise: str, environment: str) -> Response:
        """Run a command as the service's user, in its release, with its environment.

        Secrets of the service are taken out of the output; of a long one there are its two ends.
        """
        where = Where(fraise, environment, body["host"])
        asked = (body["command"], body["timeout"], who())
        with services.long():
            return _hosts(_tending(services, where).execute(where, *asked))


def _backups(routes: Routes, services: Services) -> None:
    @routes.operation("GET", "/backups", Scope.READ, HostAnswers, query=HostQuery)
    def backups(query: dict[str, Any], fraise: str, environment: str) -> Response:
        """List the backups on each host, newest first."""
        with services.long():
            where = Where(fraise, environment, **query)
            return _hosts(_tending(services, where).backups(where))

    @routes.operation("POST", "/backups", Scope.DEPLOY, HostAnswers, body=HostRequest,
                      body_required=False)  # fmt: skip
    def take(body: dict[str, Any], fraise: str, environment: str) -> Response:
        """Take a backup now, as a deployment does before it changes anything."""
        with services.long():
            where = Where(fraise, environment, **body)
            return _hosts(_tending(services, where).take(where, who()))

    @routes.operation("POST", "/backups/restore", Scope.ADMIN, HostAnswers, body=RestoreRequest)
    def restore(body: dict[str, Any], fraise: str, environment: str) -> Response:
        """Put a backup back in the place of what is there; the service is stopped meanwhile."""
        where = Where(fraise, environment, body["host"])
        with services.long():
            return _hosts(_tending(services, where).restore(where, body["id"] or "", who()))


def _asked(query: dict[str, Any]) -> dict[str, Any]:
    if query["next"]:
        return places.read(query["next"])
    start = {"start": query["since"].timestamp()} if query["since"] else {}
    return {"lines": query["lines"] or 100, **start}


def _hosts(found: list[dict[str, Any]]) -> Response:
    return jsonify({"hosts": found})


def _tending(services: Services, where: Where) -> Tending:
    """Return what works with hosts; raise NotFound where the asker sees no such target."""
    services.catalogue.target(where.fraise, where.environment)
    if services.tending is None:
        raise NotFound("this server does not reach hosts")
    return services.tending
