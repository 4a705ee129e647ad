"""Webhooks and notifications over HTTP: how each receiver does, a test, the log, redelivery."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from fraisier.api.access import who
from fraisier.api.asks import ListQuery, RedeliverRequest, TestRequest, said
from fraisier.api.cursors import split
from fraisier.api.foreign import Foreign
from fraisier.api.pages import page, page_of_all
from fraisier.api.parts import list_of, moment, page_of, text
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.delivery import DeliveryStatus
from fraisier.domain.errors import NotFound
from fraisier.domain.token import Scope
from fraisier.webhooks.outgoing import Outgoing

STATUSES = [status.value for status in DeliveryStatus]


class EndpointItem(Schema):
    name = text()
    type = text("webhook, slack, discord, teams or email")
    to = text("A host, email addresses, or the reference of what is a secret.")
    events = list_of(fields.String())
    fraises = list_of(fields.String())
    environments = list_of(fields.String())
    enabled = fields.Boolean(required=True)
    disabled_at = moment("Since when it is sent nothing.", null=True)
    disabled_reason = text("Why.")
    failing_since = moment("Since when nothing got through.", null=True)
    pending = fields.Integer(required=True, **said("How many deliveries wait for it."))


class AttemptItem(Schema):
    number = fields.Integer(required=True, **said("Counts from 1."))
    at = moment("When it began.")
    seconds = fields.Float(required=True)
    status_code = fields.Integer(
        required=True, allow_none=True, **said("Null where no answer came.")
    )
    problem = text("Empty where it was delivered.")


class DeliveryItem(Schema):
    id = text("Also its webhook-id.")
    endpoint = text()
    event = text()
    event_id = text()
    stream = text("The deployment that it is about; other events have one of their own.")
    status = fields.String(required=True, validate=OneOf(STATUSES))
    created_at = moment("When it was recorded.")
    next_at = moment("When it is tried next.", null=True)
    ended_at = moment("When it was delivered or given up.", null=True)
    attempts = list_of(fields.Nested(AttemptItem))


class DeliveriesQuery(ListQuery):
    status = fields.String(
        validate=OneOf(STATUSES), load_default=None, **said("Only those with this status.")
    )


EndpointPage = page_of("endpoints", EndpointItem)
DeliveryPage = page_of("deliveries", DeliveryItem)


def blueprint(services: Services) -> Routes:
    """Return the routes of the receivers of events."""
    routes = Routes(
        "webhook-endpoints", __name__, url_prefix="/api/v1/webhook-endpoints",
        description="Webhooks and notifications that go out.", foreign=Foreign.REFUSED,
    )  # fmt: skip

    @routes.operation("GET", "", Scope.READ, EndpointPage, query=ListQuery, problems=(404,))
    def endpoints(query: dict[str, Any]) -> Response:
        """List the receivers that are configured, and how each does."""
        return page_of_all("endpoints", _desk(services).endpoints(), **query)

    @routes.operation(
        "POST", "/<name:endpoint>/test", Scope.ADMIN, DeliveryItem,
        body=TestRequest, body_required=False, description="What came of it.",
    )  # fmt: skip
    def test(_body: dict[str, Any], endpoint: str) -> Response:
        """Send a receiver a test, once. One that gets through enables it where it is disabled."""
        with services.slow():
            return jsonify(_desk(services).test(endpoint, who()))

    @routes.operation(
        "GET", "/deliveries", Scope.READ, DeliveryPage, query=DeliveriesQuery, problems=(404,)
    )
    def deliveries(query: dict[str, Any]) -> Response:
        """List what went out, newest first, with every attempt."""
        return _log(None, query)

    @routes.operation(
        "GET", "/<name:endpoint>/deliveries", Scope.READ, DeliveryPage, query=DeliveriesQuery
    )
    def deliveries_to(query: dict[str, Any], endpoint: str) -> Response:
        """List what went out to one receiver, newest first, with every attempt."""
        return _log(endpoint, query)

    @routes.operation(
        "POST", "/deliveries/<name:delivery_id>/redeliver", Scope.ADMIN, DeliveryItem, 202,
        body=RedeliverRequest, body_required=False, description="It is due now.",
    )  # fmt: skip
    def redeliver(_body: dict[str, Any], delivery_id: str) -> tuple[Response, int]:
        """Send something again, with the same webhook-id; 409 where the receiver is disabled."""
        return jsonify(_desk(services).redeliver(delivery_id, who())), 202

    def _log(endpoint: str | None, query: dict[str, Any]) -> Response:
        limit, offset, place = query["limit"], query["offset"], query["cursor"]
        desk = _desk(services)
        found, total = desk.deliveries(endpoint, query["status"], limit + 1, offset, place)
        shown, following = split(found, limit, "created_at")
        return page("deliveries", shown, total, limit, offset, following)

    return routes


def _desk(services: Services) -> Outgoing:
    if services.outgoing is None:
        raise NotFound("this server sends no events out")
    return services.outgoing
