"""The shapes of answers, as the OpenAPI document describes them; `engine/views.py` makes them."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from fraisier.api.asks import said
from fraisier.api.parts import AsTold, list_of, moment, nested, page_of, text
from fraisier.domain.deployment import Status


class HostError(AsTold):
    code = text("The stable name of what is wrong.")
    message = text()
    hint = fields.String(**said("What to do next."))


class Release(AsTold):
    """A release as the host that has it described it."""

    id = fields.String()
    version = fields.String()
    status = fields.String()


class HostPart(Schema):
    """What a deployment did to one host."""

    host = text()
    state = text("pending, changed, unchanged, failed, restored, restore_failed, …")
    release = text("The release's id on that host.", null=True)
    previous = text("The one before.", null=True)
    error = fields.Nested(HostError, required=True, allow_none=True)


class Deployment(Schema):
    id = text()
    kind = text("deploy or rollback")
    fraise = text()
    environment = text()
    provider = text()
    region = text()
    branch = text()
    targets = list_of(fields.String())
    status = fields.String(required=True, validate=OneOf([status.value for status in Status]))
    paused = fields.Boolean(
        required=True, **said("True while it waits for a person: resume or cancel it.")
    )
    reason = text("Why it ended as it did.")
    version = text("What was deployed: a full commit SHA.")
    requested_version = text("What was asked for.", null=True)
    strategy = text()
    triggered_by = text("tok_…, cli:<login>, or promotion:<deployment>.")
    options = fields.Dict(
        required=True,
        **said("What was asked for besides: force, no_backup, promoted_from and the like."),
    )
    trace_id = text()
    cancel_requested_by = text("Who wished it to stop.", null=True)
    resume_requested_by = text("Who wished last that it goes on.", null=True)
    created_at = moment("When it was requested.")
    started_at = moment("When it began.", null=True)
    completed_at = moment("When it ended.", null=True)
    duration_seconds = fields.Float(required=True, allow_none=True)


class DeploymentDetails(Deployment):
    blocked_by = text("The deployment, or the freeze, that it waits for.", null=True)
    waiting_for = text("Why it has not begun.", null=True)
    position = fields.Integer(
        required=True, allow_none=True, **said("While it waits: 1 is the next of its target.")
    )
    hosts = list_of(fields.Nested(HostPart))


class Event(Schema):
    id = text()
    deployment_id = text()
    sequence = fields.Integer(required=True, **said("Counts from 1 without a gap."))
    type = text()
    at = moment("When it was recorded.")
    host = text(null=True)
    data = fields.Dict(required=True)


class InventoryOfTarget(Schema):
    inventory = text()
    group = text()


class TargetItem(Schema):
    fraise = text()
    environment = text()
    type = text()
    provider = text()
    strategy = text()
    branch = text()
    region = text()
    network = text("The network that reaches its hosts.", null=True)
    hosts = list_of(fields.String())
    inventory = fields.Nested(InventoryOfTarget, required=True, allow_none=True)


class MonitoredHost(Schema):
    """What the looks at a host between deployments came to."""

    health = text("healthy, unhealthy or unknown.")
    since = moment("Since when.")
    checked_at = moment("When it was looked at last.")
    reason = text("Why it is not healthy, or what the last looks found.", null=True)
    failures = fields.Integer(required=True, **said("How many looks in a row found it not well."))


class PlacedHost(Schema):
    host = text()
    version = text(null=True)
    release = text(null=True)
    known = fields.Boolean(
        required=True, **said("False where something may have been done there since.")
    )
    healthy_when_seen = fields.Boolean(required=True, allow_none=True)
    seen_at = moment("When the host last told.", null=True)
    monitoring = fields.Nested(
        MonitoredHost, required=True, allow_none=True, **said("Null where nobody looks.")
    )


class Coming(Schema):
    """A success in the environment before, which comes to this one by itself."""

    deployment = text("The deployment that succeeded there.")
    version = text()
    source = text("The environment that it comes from.")
    blocked = text("Why it does not, as things are.", null=True)


class TargetStatus(Schema):
    fraise = text()
    environment = text()
    last_deployment = fields.Nested(Deployment, required=True, allow_none=True)
    waiting_for = text("Why the last deployment has not begun.", null=True)
    held_by = text("The deployment after which a person must look.", null=True)
    promotion = fields.Nested(
        Coming,
        required=True,
        allow_none=True,
        **said("With promote: automatic, what succeeded before and was not asked for here yet."),
    )
    hosts = list_of(fields.Nested(PlacedHost))


class TargetStatuses(Schema):
    targets = list_of(fields.Nested(TargetStatus))


class FraiseItem(Schema):
    name = text()
    type = text()
    description = text()
    environments = list_of(fields.Nested(TargetItem))


class EnvironmentItem(Schema):
    name = text()
    targets = list_of(fields.Nested(TargetItem))


class ProviderItem(Schema):
    name = text()
    description = text()
    strategies = list_of(fields.String())
    default_strategy = text()
    role = text()
    source = text("`fraisier.deploy` for one that comes with Fraisier, else `own`.")


class Unlocked(Schema):
    released = text("The deployment that had held the target.")


class PlannedStep(Schema):
    verb = text("preflight, deploy, stage, shift, promote, drain, undrain")
    hosts = list_of(fields.String())
    last = fields.Boolean(required=True)
    args = fields.Dict(required=True, **said("weight, seconds, servers: what the verb is to do."))


class WayOut(Schema):
    strategy = text()
    steps = list_of(fields.Nested(PlannedStep))


class PlannedHost(Schema):
    host = text()
    state = text()
    would_change = fields.Boolean(required=True)
    previous = fields.Nested(
        Release, data_key="from", required=True, allow_none=True, **said("What it runs now.")
    )
    diff = list_of(fields.Dict())
    unpredictable = list_of(fields.Dict())
    error = fields.Nested(HostError, required=True, allow_none=True)


class Preview(Schema):
    """What a deployment would do: `ok` if every host could, `would_change` if one would."""

    fraise = text()
    environment = text()
    provider = text()
    version = text()
    requested_version = text(null=True)
    strategy = text()
    plan = nested(WayOut)
    hosts = list_of(fields.Nested(PlannedHost))
    ok = fields.Boolean(required=True)
    would_change = fields.Boolean(required=True)


class Wrong(Schema):
    path = text("Where: $.key of the body, query.name, header.name.")
    message = text()


class Problem(Schema):
    """RFC 9457, with a stable `code` and what to do next."""

    status = fields.Integer(required=True)
    code = text("The stable name of what is wrong.")
    title = text()
    detail = fields.String()
    hint = fields.String(**said("What to do next."))
    errors = fields.List(fields.Nested(Wrong))


DeploymentPage = page_of("deployments", Deployment)
EventPage = page_of("events", Event)
LogPage = page_of("logs", Event)
FraisePage = page_of("fraises", FraiseItem)
EnvironmentPage = page_of("environments", EnvironmentItem)
ProviderPage = page_of("providers", ProviderItem)
