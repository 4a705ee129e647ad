"""Requests: accepted in an order, told apart by their keys, and taken back while they wait."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from fraisier.domain.catalogue import Target
from fraisier.domain.deployment import AS_CONFIGURED, Deployment, Status
from fraisier.domain.errors import KeyReused, Refused
from fraisier.domain.event import Fact
from fraisier.domain.freeze import Stopped, goes_past
from fraisier.domain.ids import new_id
from fraisier.domain.ports import NewDeployment
from fraisier.failpoints import failpoint
from fraisier.store import log
from fraisier.store.audit import note, noted
from fraisier.store.clock import utc_now
from fraisier.store.ending import end
from fraisier.store.freezes import Gate
from fraisier.store.keys import key_is_taken
from fraisier.store.reading import LIVE, is_target
from fraisier.store.rows import deployment_from, values_of
from fraisier.store.tables import deployments, targets
from fraisier.store.workers import Workers


class Requests(Workers):
    """Deployments from their request to the moment a worker has them, or nobody wants them."""

    def request(self, new: NewDeployment, worker_id: str | None = None) -> Deployment:
        """Record an accepted request with its first event; raise Refused."""
        deployment_id = new_id("dep")

        def change(connection: Connection) -> Deployment:
            found = self._request(connection, deployment_id, new, worker_id)
            failpoint("request.before_commit")
            return found

        found = self._write(change, lambda connection: self._found(connection, deployment_id))
        failpoint("request.after_commit")
        return found

    def _request(
        self,
        connection: Connection,
        deployment_id: str,
        new: NewDeployment,
        worker_id: str | None,
    ) -> Deployment:
        target = self._lock_target(connection, new.target.fraise, new.target.environment)
        again = self._same_key(connection, new.triggered_by, new.idempotency_key, new.fingerprint)
        if again is not None:
            return again
        past = self._make_way(connection, new, target)
        accepted = target.accepted + 1
        mine = targets.c.id == target.id
        connection.execute(update(targets).where(mine).values(accepted=accepted))
        row = values_of(deployment_id, new, target.id, accepted, worker_id, utc_now(connection))
        connection.execute(insert(deployments).values(**row))
        log.begin(connection, deployment_id, log.DEPLOYMENT)
        log.append(connection, deployment_id, _first_facts(new, past))
        note(connection, new.triggered_by, _action(new), deployment_id, _why(new))
        return self._deployment(connection, deployment_id)

    def require_open(self, target: Target, past: bool) -> None:
        """Raise Refused where a request for a target would be, as it is held, frozen or closed.

        `past`: it goes past freezes and deploy windows.
        """
        held = select(targets.c.held_by).where(is_target(target.fraise, target.environment))
        with self._transaction(reading=True) as connection:
            _require_open(Gate(connection), target, connection.scalar(held), past)

    def repeated(self, by: str, key: str, fingerprint: str) -> Deployment | None:
        """Return what was asked for with this key before; raise KeyReused if that was another."""
        with self._transaction(reading=True) as connection:
            return self._same_key(connection, by, key, fingerprint)

    def _same_key(
        self, connection: Connection, by: str, key: str | None, fingerprint: str
    ) -> Deployment | None:
        if key is None:
            return None
        query = select(deployments).where(
            deployments.c.triggered_by == by, deployments.c.idempotency_key == key
        )
        row = connection.execute(query).first()
        if row is None and key_is_taken(connection, by, key):
            raise KeyReused(
                "this idempotency key was used for another request",
                "use a new key for a new request",
            )
        if row is not None and row.fingerprint != fingerprint:
            raise KeyReused(
                f"this idempotency key was used for another request, {row.id}",
                "use a new key for a new request",
            )
        return deployment_from(row) if row is not None else None

    def _lock_target(self, connection: Connection, fraise: str, environment: str) -> Any:
        """Return a target's row, made where it is missing; whoever has it comes first."""
        query = select(targets).where(is_target(fraise, environment)).with_for_update()
        row = connection.execute(query).first()
        if row is not None:
            return row
        names = {"fraise": fraise, "environment": environment}
        connection.execute(insert(targets).values(id=new_id("tgt"), **names))
        return connection.execute(query).one()

    def _make_way(self, connection: Connection, new: NewDeployment, target: Any) -> Stopped | None:
        """Return what would stop this one and cannot, as the glass is broken; raise Refused."""
        name = f"{new.target.fraise} {new.target.environment}"
        past = goes_past(new.kind, new.options)
        gate = Gate(connection)
        stop = _require_open(gate, new.target, target.held_by, past)
        live = and_(deployments.c.target_id == target.id, deployments.c.status.in_(LIVE))
        if new.target.on_busy == "reject":
            rows = connection.execute(select(deployments).where(live)).all()
            busy = gate.in_the_way(rows) if past else next(iter(rows), None)
            if busy is not None:
                raise Refused(
                    f"{name} is busy: {busy.id} is {busy.status}",
                    "wait for it, or set on_busy: queue",
                )
        if new.target.on_busy == "supersede":
            waiting = and_(live, deployments.c.status == Status.PENDING.value)
            for row in connection.execute(select(deployments).where(waiting).with_for_update()):
                reason = "a newer request took its place"
                end(connection, deployment_from(row), Status.SUPERSEDED, reason)
        return stop if past else None

    def _found(self, connection: Connection, deployment_id: str) -> Deployment | None:
        query = select(deployments).where(deployments.c.id == deployment_id)
        row = connection.execute(query).first()
        return deployment_from(row) if row is not None else None

    def cancel(self, deployment_id: str, by: str, why: str = "") -> Deployment:
        """End a pending deployment, or record the wish to end a running one; raise Refused.

        `why` is the reason of the end where it is another than that somebody cancelled.
        """
        mark = new_id("aud")

        def change(connection: Connection) -> Deployment:
            found = self._cancel(connection, deployment_id, by, why, mark)
            failpoint("cancel.before_commit")
            return found

        def done(connection: Connection) -> Deployment | None:
            return self._deployment(connection, deployment_id) if noted(connection, mark) else None

        found = self._write(change, done)
        failpoint("cancel.after_commit")
        return found

    def _cancel(
        self, connection: Connection, deployment_id: str, by: str, why: str, mark: str
    ) -> Deployment:
        found = deployment_from(self._row(connection, deployment_id, lock=True))
        if found.status.terminal:
            raise Refused(f"{deployment_id} has ended already: it is {found.status.value}")
        if found.cancel_requested_at is None:
            wish = {
                "cancel_requested_at": log.present(connection, deployment_id),
                "cancel_requested_by": by,
            }
            one = deployments.c.id == deployment_id
            connection.execute(update(deployments).where(one).values(**wish))
            note(connection, by, "cancel", deployment_id, why, mark)
        if found.status is Status.PENDING:
            reason = why or f"cancelled by {by} before it began"
            end(connection, found, Status.CANCELLED, reason)
        return self._deployment(connection, deployment_id)


def _require_open(gate: Gate, target: Target, held_by: str | None, past: bool) -> Stopped | None:
    """Return what keeps a target's deployments from beginning now; raise Refused where none waits.

    `past`: freezes and deploy windows do not stop this one.
    """
    name = f"{target.fraise} {target.environment}"
    if held_by is not None:
        raise Refused(
            f"{name} is held since {held_by} left its hosts in a state that was not confirmed",
            f"look at it (fraisier show {held_by}), then: fraisier unlock {name} --reason …",
        )
    stop = gate.of_target(target)
    if stop is not None and not past and not stop.waits:
        raise stop.refusal()
    return stop


def _first_facts(new: NewDeployment, past: Stopped | None) -> list[Fact]:
    """Return what a request is told by; `past` is what would have stopped it."""
    queued = Fact("deployment.queued", None, _asked(new))
    why = new.options.get("break_glass")
    if not why:
        return [queued]
    said = {"by": new.triggered_by, "reason": why, "past": past.reason if past else None}
    return [queued, Fact("deployment.break_glass", None, said)]


def _action(new: NewDeployment) -> str:
    """Return what an audit note calls a request."""
    action = "promote" if new.options.get("promoted_from") else new.kind
    return f"{action}.break_glass" if new.options.get("break_glass") else action


def _why(new: NewDeployment) -> str:
    return str(new.options.get("break_glass") or new.options.get("reason") or "")


def _asked(new: NewDeployment) -> dict[str, Any]:
    default = AS_CONFIGURED if new.version == AS_CONFIGURED else new.target.branch
    asked = new.requested_version or default
    return {"version": new.version, "requested": asked, "strategy": new.strategy}
