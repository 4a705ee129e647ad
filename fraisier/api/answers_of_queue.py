"""The shapes of answers about the queue and its workers; `engine/overview.py` makes them."""

from __future__ import annotations

from marshmallow import Schema, fields

from fraisier.api.asks import said
from fraisier.api.parts import list_of, moment, nested, page_of, text


class PauseItem(Schema):
    by = text("Who paused the queue.")
    by_name = text("The name of the token that did.", null=True)
    reason = text()
    at = moment("Since when.")


class Labels(Schema):
    """A label that is missing means any."""

    region = fields.String()
    network = fields.String()


class WorkerItem(Schema):
    id = text()
    name = text()
    kind = text("serve, worker or command")
    labels = nested(Labels)
    at_once = fields.Integer(required=True, **said("How many deployments it works on at once."))
    version = text("Of Fraisier.")
    started_at = moment("When it joined.")
    alive = fields.Boolean(required=True, **said("False once its lease has run out."))
    running = list_of(fields.String())
    configuration = text("The digest of the configuration that it works with; empty: unknown.")


class Holder(Schema):
    id = text()
    name = text()
    alive = fields.Boolean(required=True)


class QueuedItem(Schema):
    id = text()
    kind = text("deploy or rollback")
    fraise = text()
    environment = text()
    region = text()
    status = text()
    version = text()
    triggered_by = text()
    created_at = moment("When it was requested.")
    started_at = moment("When it began.", null=True)


class WaitingItem(QueuedItem):
    position = fields.Integer(
        required=True, allow_none=True, **said("1 is the next of its target.")
    )
    waiting_for = text("Why it has not begun.", null=True)
    blocked_by = text("The deployment, or the freeze, that it waits for.", null=True)


class RunningItem(QueuedItem):
    worker = fields.Nested(Holder, required=True, allow_none=True)


class QueueItem(Schema):
    paused = fields.Nested(PauseItem, required=True, allow_none=True)
    queued = fields.Integer(required=True, **said("How many wait; at most 100 are listed."))
    waiting = list_of(fields.Nested(WaitingItem))
    running = list_of(fields.Nested(RunningItem))
    workers = list_of(fields.Nested(WorkerItem))


WorkerPage = page_of("workers", WorkerItem)
