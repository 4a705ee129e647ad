"""The shapes of answers about the health of what is deployed, and of its configuration."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from fraisier.api.answers import MonitoredHost
from fraisier.api.asks import said
from fraisier.api.parts import list_of, moment, text
from fraisier.domain.health import Health

STATES = OneOf([health.value for health in Health])


def health(meaning: str) -> fields.String:
    """Return a state of health."""
    return fields.String(required=True, validate=STATES, **said(meaning))


class AskedHost(Schema):
    host = text()
    health = health("healthy, unhealthy, or unknown where it could not be asked.")
    reason = text("Why it is not healthy.", null=True)
    checked_at = moment("When it was asked.")
    monitoring = fields.Nested(
        MonitoredHost,
        required=True,
        allow_none=True,
        **said("What the looks between deployments came to; null where nobody looks."),
    )


class AskedTarget(Schema):
    fraise = text()
    environment = text()
    health = health("The worst of its hosts.")
    hosts = list_of(fields.Nested(AskedHost))


class EnvironmentHealthItem(Schema):
    name = text()
    health = health("The worst of its targets.")
    targets = list_of(fields.Nested(AskedTarget))


class EnvironmentConfig(Schema):
    name = text()
    targets = fields.List(
        fields.Dict(),
        required=True,
        **said("Each target as it is understood, defaults filled in; secrets are references."),
    )
