"""Deployments that wait, in the middle of their roll-out, for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, update

from fraisier.domain.deployment import Deployment
from fraisier.domain.errors import Refused
from fraisier.domain.event import Fact
from fraisier.domain.ids import new_id
from fraisier.store import log
from fraisier.store.audit import note, noted
from fraisier.store.reading import Reading
from fraisier.store.rows import deployment_from
from fraisier.store.tables import deployments


class Holds(Reading):
    """The wish of a person that a paused deployment goes on."""

    def go_on(self, deployment_id: str, by: str) -> Deployment:
        """Record the wish that a paused deployment goes on; raise Refused where it is not paused.

        A wish that is there already stays as it is.
        """
        mark = new_id("aud")

        def change(connection: Connection) -> Deployment:
            found = deployment_from(self._row(connection, deployment_id, lock=True))
            require_paused(found)
            if found.resume_requested_at is None:
                wish = {
                    "resume_requested_at": log.present(connection, deployment_id),
                    "resume_requested_by": by,
                }
                one = deployments.c.id == deployment_id
                connection.execute(update(deployments).where(one).values(**wish))
                note(connection, by, "resume", deployment_id, mark=mark)
            return self._deployment(connection, deployment_id)

        def done(connection: Connection) -> Deployment | None:
            return self._deployment(connection, deployment_id) if noted(connection, mark) else None

        return self._write(change, done)


def require_paused(found: Deployment) -> None:
    """Raise Refused unless a deployment waits for a person, and may still go on."""
    if found.status.terminal:
        raise Refused(f"{found.id} has ended already: it is {found.status.value}")
    if not found.paused:
        raise Refused(
            f"{found.id} is not paused: it is {found.status.value}",
            "see how far it is: fraisier show " + found.id,
        )
    if found.cancel_requested_at is not None:
        raise Refused(f"{found.id} is being cancelled, by {found.cancel_requested_by}")


def put_pause(connection: Connection, deployment_id: str, facts: Sequence[Fact]) -> None:
    """Keep in a deployment's row what its facts say of a pause; each asks for a wish of its own."""
    types = {fact.type for fact in facts}
    values: dict[str, Any] = {}
    if "deployment.paused" in types:
        values = {
            "paused_at": log.present(connection, deployment_id),
            "resume_requested_at": None,
            "resume_requested_by": None,
        }
    elif "deployment.resumed" in types:
        values = {"paused_at": None}
    if values:
        one = deployments.c.id == deployment_id
        connection.execute(update(deployments).where(one).values(**values))
