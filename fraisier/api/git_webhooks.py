"""What git hosts send, and the log of it."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from fraisier.api.access import address, who
from fraisier.api.asks import ListQuery, RedeliverRequest, said
from fraisier.api.cursors import split
from fraisier.api.foreign import Foreign
from fraisier.api.pages import page
from fraisier.api.parts import list_of, moment, page_of, text
from fraisier.api.problems import Explained
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.errors import NotFound, Unauthorized
from fraisier.domain.incoming import Incoming, IncomingFilter, IncomingStatus
from fraisier.domain.token import Scope
from fraisier.engine.pushes import Pushes, incoming_json
from fraisier.engine.rates import Rates
from fraisier.webhooks.incoming import HOSTS, Intake

log = logging.getLogger("fraisier.webhooks")

STATUSES = [status.value for status in IncomingStatus]


class PushItem(Schema):
    repository = text("Its full name on the git host.")
    ref = text("The branch or tag, such as: branch main")
    commit = text("The full SHA it has now; null where it was deleted.", null=True)


class OutcomeItem(Schema):
    fraise = text()
    environment = text()
    deployment_id = text("Null where there is none.", null=True)
    reason = text("Why there is none.")


class IncomingItem(Schema):
    delivery = text("Its id here.")
    status = fields.String(required=True, validate=OneOf(STATUSES))
    reason = text("Why nothing is deployed.")
    provider = text("The git host.")
    delivery_id = text("Its id on the git host.")
    event = text("What it is about, in the git host's word.")
    received_at = moment("When it came first.")
    trace_id = text("What its deployments have in common.")
    pushes = list_of(fields.Nested(PushItem))
    deployments = list_of(fields.Nested(OutcomeItem))


class IncomingQuery(ListQuery):
    provider = fields.String(
        validate=OneOf(list(HOSTS)), load_default=None, **said("Only those of this git host.")
    )
    status = fields.String(
        validate=OneOf(STATUSES), load_default=None, **said("Only those with this status.")
    )


IncomingPage = page_of("deliveries", IncomingItem, "IncomingPage")


def blueprints(services: Services) -> tuple[Routes, Routes]:
    """Return the route for git hosts, which needs a signature instead of a token, and the log."""
    return _door(services), _log(services)


def _door(services: Services) -> Routes:
    routes = Routes(
        "git-webhooks", __name__, url_prefix="/api/v1/webhooks",
        description="For git hosts: signed instead of with a token.",
    )  # fmt: skip

    @routes.operation(
        "POST", f"/<any({','.join(HOSTS)}):provider>", None, IncomingItem, 202,
        also={200: (IncomingItem, "Nothing is deployed: ignored, or a test.")},
        description="What it deploys.", problems=(400, 401, 404, 409, 413, 415, 422, 429, 503),
    )  # fmt: skip
    def take(provider: str) -> Response:
        """Take a delivery of a git host: github, gitlab, gitea, forgejo, gogs or bitbucket."""
        intake = _intake(services)
        request.max_content_length = services.push_bytes
        types = intake.types(provider)
        plain = request.headers.get("Content-Encoding", "identity") == "identity"
        if request.mimetype not in types or not plain:
            raise Explained(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send it as {' or '.join(types)}")
        body = request.get_data(cache=False)
        try:
            return _answer(intake.take(provider, request.headers, request.mimetype, body))
        except Unauthorized as error:
            _count(services.rates)
            log.warning("a delivery of %s was refused: %s", provider, error.message)
            raise

    return routes


def _log(services: Services) -> Routes:
    routes = Routes(
        "webhook-deliveries", __name__, url_prefix="/api/v1/webhooks",
        description="What came in from git hosts.", foreign=Foreign.REFUSED,
    )  # fmt: skip

    @routes.operation(
        "GET", "/deliveries", Scope.READ, IncomingPage, query=IncomingQuery, problems=(404,)
    )
    def deliveries(query: dict[str, Any]) -> Response:
        """List the verified deliveries of git hosts, newest first, and what came of each."""
        status = query["status"] and IncomingStatus(query["status"])
        limit, offset, place = query["limit"], query["offset"], query["cursor"]
        wanted = IncomingFilter(query["provider"], status, limit + 1, offset, place)
        found, total = _pushes(services).deliveries(wanted)
        shown, following = split(found, limit, "received_at", "delivery")
        return page("deliveries", shown, total, limit, offset, following)

    @routes.operation(
        "POST", "/deliveries/<name:delivery_id>/redeliver", Scope.DEPLOY, IncomingItem, 202,
        body=RedeliverRequest, body_required=False,
        also={200: (IncomingItem, "Nothing is deployed.")},
        description="What it deploys now.",
    )  # fmt: skip
    def redeliver(_body: dict[str, Any], delivery_id: str) -> Response:
        """Deal with a delivery once more, as the configuration says now."""
        return _answer(_pushes(services).redeliver(delivery_id, who()))

    return routes


def _count(rates: Rates | None) -> None:
    """Count a delivery that proved nothing; raise RateLimited, so that the log has no more of it.

    One that is proven passes, whatever came from its address before.
    """
    if rates is not None:
        rates.failed_delivery(address())


def _answer(found: Incoming) -> Response:
    answer = jsonify(incoming_json(found))
    answer.status_code = 202 if found.status is IncomingStatus.TRIGGERED else 200
    return answer


def _intake(services: Services) -> Intake:
    if services.intake is None:
        raise NotFound("this server takes no webhooks")
    return services.intake


def _pushes(services: Services) -> Pushes:
    if services.pushes is None:
        raise NotFound("this server takes no webhooks")
    return services.pushes
