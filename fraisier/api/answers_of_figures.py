"""The shapes of answers with figures; `engine/figures.py` makes them."""

from __future__ import annotations

from marshmallow import Schema, fields

from fraisier.api.asks import said
from fraisier.api.parts import moment, nested, text


def _seconds(meaning: str = "") -> fields.Float:
    return fields.Float(required=True, allow_none=True, **said(meaning))


def _count(meaning: str) -> fields.Integer:
    return fields.Integer(required=True, **said(meaning))


class SpreadItem(Schema):
    """Seconds; null where there are none. Percentiles are nearest-rank."""

    count = _count("How many there are.")
    mean = _seconds()
    p50 = _seconds()
    p95 = _seconds()


class RollbackCounts(Schema):
    automatic = _count("Deployments that failed and went back, or tried to.")
    requested = _count("Rollbacks that somebody asked for.")


class DoraKeys(Schema):
    """DORA's four keys, and what they were computed from."""

    deployment_frequency_per_day = fields.Float(required=True, **said("Successful deploys a day."))
    lead_time_from_request_seconds = _seconds(
        "Median of successful deploys, from the request to the end; not from the commit, whose "
        "time is not recorded."
    )
    change_failure_rate = _seconds("Of the deploys that reached hosts, the share that failed.")
    time_to_restore_seconds = _seconds("Median, from a failure to the next success.")
    successes = _count("Successful deploys.")
    changes = _count("Deploys that reached hosts.")
    failures = _count("Those of them that failed, or were taken back by a rollback.")
    restored = _count("Failures that were restored.")
    unrestored = _count("Targets whose last failure no success has followed.")


class FraiseFigures(Schema):
    fraise = text()
    environment = text("The one environment that is counted.", null=True)
    since = moment("From when on deployments are counted, by their ends.")
    until = moment("Until when.")
    days = fields.Float(required=True, **said("How long that is."))
    truncated = fields.Boolean(
        required=True, **said("True where there were more: the period then begins later.")
    )
    total = _count("Deployments and rollbacks that ended.")
    counts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, **said("By their status.")
    )
    rollbacks = nested(RollbackCounts)
    duration_seconds = nested(SpreadItem)
    queue_seconds = nested(SpreadItem)
    dora = nested(DoraKeys)
