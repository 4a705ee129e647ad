"""Idempotency keys in SQL: who holds one, and what was answered."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from fraisier.domain.errors import KeyReused
from fraisier.domain.idempotency import Answer, Asked, Held, KeptKey, answer_again
from fraisier.domain.ids import new_id
from fraisier.store.clock import utc_now
from fraisier.store.tables import deployments, idempotency_keys
from fraisier.store.transactions import Transactions, never

#: Keys removed in one transaction.
REMOVED = 1000

_all = idempotency_keys.c


class Keys(Transactions):
    """The records of keys, but for those of deployments, which have their own."""

    def take_key(self, asked: Asked) -> Held | Answer:
        """Hold a key, or return the answer to repeat; raise as `answer_again` does."""
        held = Held(asked, new_id("idk"))

        def done(connection: Connection) -> Held | None:
            row = connection.execute(select(_all.holder).where(_is(asked))).first()
            return held if row is not None and row.holder == held.holder else None

        return self._write(lambda connection: _take(connection, held), done)

    def keep_answer(self, held: Held, answer: Answer) -> None:
        """Record what a request was answered."""
        values = {"status": answer.status, "answer": answer.body, "location": answer.location}
        kept = update(idempotency_keys).where(_mine(held)).values(**values)
        self._write(lambda connection: _run(connection, kept), never)

    def release_key(self, held: Held) -> None:
        """Forget a request that came to nothing."""
        gone = delete(idempotency_keys).where(_mine(held))
        self._write(lambda connection: _run(connection, gone), never)

    def prune_keys(self, before: int) -> int:
        """Remove some of the keys used before a moment; return how many."""
        old = select(_all.holder).where(_all.created_at < before).limit(REMOVED)

        def change(connection: Connection) -> int:
            gone = list(connection.scalars(old))
            connection.execute(delete(idempotency_keys).where(_all.holder.in_(gone)))
            return len(gone)

        return self._write(change, never)


def key_is_taken(connection: Connection, token_id: str, key: str) -> bool:
    """Return whether a key stands for something that is no deployment."""
    query = select(_all.holder).where(_all.token_id == token_id, _all.key == key)
    return connection.execute(query).first() is not None


def _take(connection: Connection, held: Held) -> Held | Answer:
    asked, at = held.asked, utc_now(connection)
    row = connection.execute(select(idempotency_keys).where(_is(asked)).with_for_update()).first()
    if row is None:
        _no_deployment(connection, asked)
        names = {"token_id": asked.token_id, "key": asked.key, "fingerprint": asked.fingerprint}
        new = insert(idempotency_keys).values(**names, holder=held.holder, created_at=at)
        connection.execute(new)
        return held
    again = answer_again(_kept(row), asked, at)
    if again is not None:
        return again
    mine = update(idempotency_keys).where(_is(asked))
    connection.execute(mine.values(holder=held.holder, created_at=at))
    return held


def _no_deployment(connection: Connection, asked: Asked) -> None:
    query = select(deployments.c.id).where(
        deployments.c.triggered_by == asked.token_id, deployments.c.idempotency_key == asked.key
    )
    found = connection.scalar(query)
    if found is not None:
        raise KeyReused(
            f"this idempotency key was used for another request, {found}",
            "use a new key for a new request",
        )


def _kept(row: Any) -> KeptKey:
    answer = None if row.status is None else Answer(row.status, row.answer, row.location)
    return KeptKey(row.fingerprint, row.created_at, answer)


def _is(asked: Asked) -> Any:
    return and_(_all.token_id == asked.token_id, _all.key == asked.key)


def _mine(held: Held) -> Any:
    return and_(_is(held.asked), _all.holder == held.holder)


def _run(connection: Connection, statement: Any) -> None:
    connection.execute(statement)
