"""The shapes of answers, as the OpenAPI document describes them; `engine/views.py` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from fraisier.api.asks import said
from fraisier.domain.deployment import Status


def _text(meaning: str = "", null: bool = False) -> fields.String:
    return fields.String(required=True, allow_none=null, **said(meaning))


def _time(meaning: str, null: bool = False) -> fields.String:
    described = {"description": meaning, "format": "date-time"}
    return fields.String(required=True, allow_none=null, metadata={**described})


def _list(of: Any) -> fields.List[Any]:
    return fields.List(of, required=True)


def _nested(schema: type[Schema]) -> fields.Nested:
    return fields.Nested(schema, required=True)


class HostError(Schema):
    code = _text("The stable name of what is wrong.")
    message = _text()
    hint = fields.String(**said("What to do next."))


class Release(Schema):
    """A release as the host that has it described it."""

    id = fields.String()
    version = fields.String()
    status = fields.String()


class HostPart(Schema):
    """What a deployment did to one host."""

    host = _text()
    state = _text("pending, changed, unchanged, failed, restored, restore_failed, …")
    release = _text("The release's id on that host.", null=True)
    previous = _text("The one before.", null=True)
    error = fields.Nested(HostError, required=True, allow_none=True)


class Deployment(Schema):
    id = _text()
    kind = _text("deploy or rollback")
    fraise = _text()
    environment = _text()
    provider = _text()
    region = _text()
    branch = _text()
    targets = _list(fields.String())
    status = fields.String(required=True, validate=OneOf([status.value for status in Status]))
    reason = _text("Why it ended as it did.")
    version = _text("What was deployed: a full commit SHA.")
    requested_version = _text("What was asked for.", null=True)
    strategy = _text()
    triggered_by = _text("tok_… or cli:<login>")
    trace_id = _text()
    cancel_requested_by = _text("Who wished it to stop.", null=True)
    created_at = _time("When it was requested.")
    started_at = _time("When it began.", null=True)
    completed_at = _time("When it ended.", null=True)
    duration_seconds = fields.Float(required=True, allow_none=True)


class DeploymentDetails(Deployment):
    blocked_by = _text("The deployment that it waits for.", null=True)
    waiting_for = _text("Why it has not begun.", null=True)
    position = fields.Integer(
        required=True, allow_none=True, **said("While it waits: 1 is the next of its target.")
    )
    hosts = _list(fields.Nested(HostPart))


class Event(Schema):
    id = _text()
    deployment_id = _text()
    sequence = fields.Integer(required=True, **said("Counts from 1 without a gap."))
    type = _text()
    at = _time("When it was recorded.")
    host = _text(null=True)
    data = fields.Dict(required=True)


class InventoryOfTarget(Schema):
    inventory = _text()
    group = _text()


class TargetItem(Schema):
    fraise = _text()
    environment = _text()
    type = _text()
    provider = _text()
    strategy = _text()
    branch = _text()
    region = _text()
    network = _text("The network that reaches its hosts.", null=True)
    hosts = _list(fields.String())
    inventory = fields.Nested(InventoryOfTarget, required=True, allow_none=True)


class PlacedHost(Schema):
    host = _text()
    version = _text(null=True)
    release = _text(null=True)
    known = fields.Boolean(
        required=True, **said("False where something may have been done there since.")
    )
    healthy_when_seen = fields.Boolean(required=True, allow_none=True)
    seen_at = _time("When the host last told.", null=True)


class TargetStatus(Schema):
    fraise = _text()
    environment = _text()
    last_deployment = fields.Nested(Deployment, required=True, allow_none=True)
    waiting_for = _text("Why the last deployment has not begun.", null=True)
    held_by = _text("The deployment after which a person must look.", null=True)
    hosts = _list(fields.Nested(PlacedHost))


class TargetStatuses(Schema):
    targets = _list(fields.Nested(TargetStatus))


class FraiseItem(Schema):
    name = _text()
    type = _text()
    description = _text()
    environments = _list(fields.Nested(TargetItem))


class EnvironmentItem(Schema):
    name = _text()
    targets = _list(fields.Nested(TargetItem))


class ProviderItem(Schema):
    name = _text()
    description = _text()
    strategies = _list(fields.String())
    default_strategy = _text()
    role = _text()
    source = _text("Where the server found it.")


class PauseItem(Schema):
    by = _text("Who paused the queue.")
    reason = _text()
    at = _time("Since when.")


class Labels(Schema):
    """A label that is missing means any."""

    region = fields.String()
    network = fields.String()


class WorkerItem(Schema):
    id = _text()
    name = _text()
    kind = _text("serve, worker or command")
    labels = _nested(Labels)
    at_once = fields.Integer(required=True, **said("How many deployments it works on at once."))
    version = _text("Of Fraisier.")
    started_at = _time("When it joined.")
    alive = fields.Boolean(required=True, **said("False once its lease has run out."))
    running = _list(fields.String())


class Holder(Schema):
    id = _text()
    name = _text()
    alive = fields.Boolean(required=True)


class QueuedItem(Schema):
    id = _text()
    kind = _text("deploy or rollback")
    fraise = _text()
    environment = _text()
    region = _text()
    status = _text()
    version = _text()
    triggered_by = _text()
    created_at = _time("When it was requested.")
    started_at = _time("When it began.", null=True)


class WaitingItem(QueuedItem):
    position = fields.Integer(
        required=True, allow_none=True, **said("1 is the next of its target.")
    )
    waiting_for = _text("Why it has not begun.", null=True)
    blocked_by = _text("The deployment that it waits for.", null=True)


class RunningItem(QueuedItem):
    worker = fields.Nested(Holder, required=True, allow_none=True)


class QueueItem(Schema):
    paused = fields.Nested(PauseItem, required=True, allow_none=True)
    queued = fields.Integer(required=True, **said("How many wait; at most 100 are listed."))
    waiting = _list(fields.Nested(WaitingItem))
    running = _list(fields.Nested(RunningItem))
    workers = _list(fields.Nested(WorkerItem))


class Unlocked(Schema):
    released = _text("The deployment that had held the target.")


class PlannedStep(Schema):
    verb = _text()
    hosts = _list(fields.String())
    last = fields.Boolean(required=True)


class WayOut(Schema):
    strategy = _text()
    steps = _list(fields.Nested(PlannedStep))


class PlannedHost(Schema):
    host = _text()
    state = _text()
    would_change = fields.Boolean(required=True)
    previous = fields.Nested(
        Release, data_key="from", required=True, allow_none=True, **said("What it runs now.")
    )
    diff = _list(fields.Dict())
    unpredictable = _list(fields.Dict())
    error = fields.Nested(HostError, required=True, allow_none=True)


class Preview(Schema):
    """What a deployment would do: `ok` if every host could, `would_change` if one would."""

    fraise = _text()
    environment = _text()
    provider = _text()
    version = _text()
    requested_version = _text(null=True)
    strategy = _text()
    plan = _nested(WayOut)
    hosts = _list(fields.Nested(PlannedHost))
    ok = fields.Boolean(required=True)
    would_change = fields.Boolean(required=True)


class Wrong(Schema):
    path = _text("Where: $.key of the body, query.name, header.name.")
    message = _text()


class Problem(Schema):
    """RFC 9457, with a stable `code` and what to do next."""

    status = fields.Integer(required=True)
    code = _text("The stable name of what is wrong.")
    title = _text()
    detail = fields.String()
    hint = fields.String(**said("What to do next."))
    errors = fields.List(fields.Nested(Wrong))


def page_of(noun: str, item: type[Schema]) -> type[Schema]:
    """Return the shape of a page of a list."""
    numbers: Mapping[str, Any] = {
        "total": fields.Integer(required=True, **said("How many there are in all.")),
        "limit": fields.Integer(required=True),
        "offset": fields.Integer(required=True, **said("How many come before these.")),
    }
    return type(
        f"{noun.capitalize()}Page", (Schema,), {noun: _list(fields.Nested(item)), **numbers}
    )


DeploymentPage = page_of("deployments", Deployment)
EventPage = page_of("events", Event)
LogPage = page_of("logs", Event)
FraisePage = page_of("fraises", FraiseItem)
EnvironmentPage = page_of("environments", EnvironmentItem)
ProviderPage = page_of("providers", ProviderItem)
WorkerPage = page_of("workers", WorkerItem)
