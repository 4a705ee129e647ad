"""The tables. Times are UTC microseconds since 1970; JSON columns hold references, no secret."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    true,
)

from fraisier.domain.deployment import RELEASE_ID
from fraisier.store.words import Ids, Text, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

workers = Table(
    "workers",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("name", Words(255), nullable=False),
    Column("kind", Words(16), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("process", JSON, nullable=False),
    Column("at_once", Integer, nullable=False),
    Column("version", Words(32), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("configuration", Words(64)),
)

pauses = Table(
    "pauses",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("by", Words(255), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("at", BigInteger, nullable=False),
)

installation = Table("installation", metadata, Column("id", Words(40), primary_key=True))

targets = Table(
    "targets",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("fraise", Words(64), nullable=False),
    Column("environment", Words(64), nullable=False),
    Column("held_by", Words(40)),
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("fraise", "environment"),
)

placements = Table(
    "placements",
    metadata,
    Column("target_id", ForeignKey("targets.id"), primary_key=True),
    Column("host", Words(255), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("release", Ids(RELEASE_ID)),
    Column("version", Words(255)),
    Column("good", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("known", Boolean, nullable=False, server_default=true()),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("target_id", ForeignKey("targets.id"), nullable=False),
    Column("kind", Words(16), nullable=False),
    Column("status", Words(16), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("version", Words(255), nullable=False),
    Column("requested_version", Words(255)),
    Column("strategy", Words(16), nullable=False),
    Column("triggered_by", Words(255), nullable=False),
    Column("trace_id", Words(40), nullable=False),
    Column("target", JSON, nullable=False),
    Column("options", JSON, nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("last_event_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("cancel_requested_at", BigInteger),
    Column("cancel_requested_by", Words(255)),
    Column("idempotency_key", Words(255)),
    Column("fingerprint", Words(64), nullable=False),
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("worker_id", Words(40)),
    Column("paused_at", BigInteger),
    Column("resume_requested_at", BigInteger),
    Column("resume_requested_by", Words(255)),
    Column("settle_failures", Integer, nullable=False, server_default="0"),
    Column("settle_after", BigInteger),
    Column("settle_failed_by", Words(40)),
    Column(
        "live_target", Words(40), Computed("CASE WHEN status = 'in_progress' THEN target_id END")
    ),
    UniqueConstraint("triggered_by", "idempotency_key"),
    Index("ix_deployments_newest", "created_at", "id"),
    Index("ix_deployments_status_newest", "status", "created_at", "id"),
    Index("ix_deployments_target_newest", "target_id", "created_at", "id"),
    Index("ix_deployments_target_status_newest", "target_id", "status", "created_at", "id"),
    Index("ix_deployments_completed_at", "completed_at"),
    Index("uq_deployments_live_target", "live_target", unique=True),
    Index("ix_deployments_target_accepted", "target_id", "accepted"),
)

deployment_hosts = Table(
    "deployment_hosts",
    metadata,
    Column("deployment_id", ForeignKey("deployments.id"), primary_key=True),
    Column("host", Words(255), primary_key=True),
    Column("state", Words(16), nullable=False),
    Column("release", Ids(RELEASE_ID)),
    Column("previous", Ids(RELEASE_ID)),
    Column("error", JSON),
)

events = Table(
    "events",
    metadata,
    Column("deployment_id", ForeignKey("deployments.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("id", Words(40), nullable=False, unique=True),
    Column("type", Words(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("host", Words(255)),
    Column("data", JSON, nullable=False),
)

target_health = Table(
    "target_health",
    metadata,
    Column("target_id", ForeignKey("targets.id"), primary_key=True),
    Column("host", Words(255), primary_key=True),
    Column("health", Words(16), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("passed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
)

#: Who looks at a target, and until when nobody else does; by the clock of leases.
target_checks = Table(
    "target_checks",
    metadata,
    Column("target_id", ForeignKey("targets.id"), primary_key=True),
    Column("claim", Words(40), nullable=False),
    Column("until", BigInteger, nullable=False),
)

#: What is told of the health of a target outside of its deployments; each is a stream of its own.
health_events = Table(
    "health_events",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("type", Words(64), nullable=False),
    Column("host", Words(255), nullable=False),
    Column("fraise", Words(64), nullable=False),
    Column("environment", Words(64), nullable=False),
    Column("provider", Words(64), nullable=False),
    Column("region", Words(64), nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_health_events_at", "at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Words(255), nullable=False),
    Column("action", Words(64), nullable=False),
    Column("subject", Words(255), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("result", Words(16), nullable=False, server_default="done"),
    Index("ix_audit_at", "at"),
)

freezes = Table(
    "freezes",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("fraise", Words(64), nullable=False),
    Column("environment", Words(64), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("by", Words(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("lifted_at", BigInteger),
    Column("lifted_by", Words(255)),
    Index("ix_freezes_lifted_at", "lifted_at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("name", Words(255), nullable=False),
    Column("digest", Words(64), nullable=False, unique=True),
    Column("scope", Words(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Words(255), nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("targets", Words(2000), nullable=False, server_default="*/*"),
    Column("rotated_at", BigInteger),
    Column("previous_digest", Words(64)),
    Column("previous_until", BigInteger),
    Index("ix_tokens_previous_digest", "previous_digest"),
)

#: What is used of an allowance, in a window of the database's clock.
rate_limits = Table(
    "rate_limits",
    metadata,
    Column("id", Words(80), primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("used", Integer, nullable=False),
)

#: What POSTs were answered; deployments have their keys in their own rows.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("token_id", Words(40), primary_key=True),
    Column("key", Words(255), primary_key=True),
    Column("fingerprint", Words(64), nullable=False),
    Column("holder", Words(40), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("status", Integer),
    Column("answer", Text()),
    Column("location", Words(255)),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

#: What may still have events that some sink was not told of: a deployment's log, or one audit note.
untold = Table(
    "untold",
    metadata,
    Column("stream_id", Words(40), primary_key=True),
    Column("kind", Words(16), nullable=False),
)

relays = Table(
    "relays",
    metadata,
    Column("sink", Words(80), primary_key=True),
    Column("worker_id", Words(40)),
    Column("seen_at", BigInteger, nullable=False),
    Column("state", JSON, nullable=False),
)

relay_progress = Table(
    "relay_progress",
    metadata,
    Column("sink", Words(80), primary_key=True),
    Column("stream_id", Words(40), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Index("ix_relay_progress_stream", "stream_id"),
)

incoming_deliveries = Table(
    "incoming_deliveries",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("provider", Words(16), nullable=False),
    Column("delivery_id", Words(255), nullable=False),
    Column("body_digest", Words(64), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("event", Words(255), nullable=False),
    Column("repository", Words(255), nullable=False),
    Column("ref", Words(255), nullable=False),
    Column("status", Words(32), nullable=False),
    Column("reason", Text(), nullable=False),
    Column("push", JSON, nullable=False),
    Column("deployments", JSON, nullable=False),
    Column("trace_id", Words(40), nullable=False),
    UniqueConstraint("provider", "delivery_id"),
    Index("ix_incoming_deliveries_received_at", "received_at"),
    Index("ix_incoming_deliveries_status", "status"),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", Words(64), primary_key=True),
    Column("failing_since", BigInteger),
    Column("disabled_at", BigInteger),
    Column("disabled_reason", Text(), nullable=False),
)

outgoing_deliveries = Table(
    "outgoing_deliveries",
    metadata,
    Column("id", Words(40), primary_key=True),
    Column("endpoint", Words(64), nullable=False),
    Column("event_id", Words(40), nullable=False),
    Column("event_type", Words(64), nullable=False),
    Column("stream_id", Words(40), nullable=False),
    Column("body", Text(), nullable=False),
    Column("status", Words(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("number", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("endpoint", "event_id"),
    Index("ix_outgoing_deliveries_next_at", "endpoint", "status", "next_at"),
    Index("ix_outgoing_deliveries_created_at", "created_at"),
    Index("ix_outgoing_deliveries_number", "endpoint", "number"),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("delivery_id", ForeignKey("outgoing_deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("status_code", Integer),
    Column("problem", Text(), nullable=False),
)
