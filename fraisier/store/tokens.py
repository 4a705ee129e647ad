"""Tokens in SQL: their digests and what became of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select, update

from fraisier.domain.errors import Refused, TokenNotFound
from fraisier.domain.ids import now
from fraisier.domain.token import Scope, Token
from fraisier.store.audit import note
from fraisier.store.reading import Reading
from fraisier.store.tables import tokens


class Tokens(Reading):
    """The records of tokens."""

    def add_token(self, token: Token, digest: str) -> None:
        """Record a new token."""
        with self._transaction() as connection:
            reach = ",".join(token.targets)
            values = {**vars(token), "targets": reach, "digest": digest}
            connection.execute(insert(tokens).values(**values))
            said = f"{token.name} ({token.scope.value} on {reach})"
            note(connection, token.created_by, "token.create", token.id, said)

    def find_token(self, digest: str) -> Token | None:
        """Return the token of a secret's digest, valid or not; the one before counts for a time."""
        overlaps = and_(tokens.c.previous_digest == digest, tokens.c.previous_until > now())
        query = select(tokens).where(or_(tokens.c.digest == digest, overlaps))
        with self._transaction(reading=True) as connection:
            row = connection.execute(query).first()
            return _token_from(row) if row is not None else None

    def token(self, token_id: str) -> Token:
        """Return one token, or raise TokenNotFound."""
        with self._transaction(reading=True) as connection:
            return self._token(connection, token_id)

    def tokens(self) -> list[Token]:
        """Return every token, newest first."""
        query = select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id.desc())
        with self._transaction(reading=True) as connection:
            return [_token_from(row) for row in connection.execute(query)]

    def tokens_of(self, ids: Collection[str]) -> list[Token]:
        """Return the tokens that have these ids, in any order."""
        query = select(tokens).where(tokens.c.id.in_(sorted(ids)))
        with self._transaction(reading=True) as connection:
            return [_token_from(row) for row in connection.execute(query)]

    def rotate_token(
        self, token_id: str, digest: str, overlap: int, by: str, latest: int | None = None
    ) -> Token:
        """Give a token another secret; the one before stays valid for so many microseconds.

        It then lasts as long again as it did, and no longer than until `latest`. Raises Refused
        where it is not valid any more.
        """
        at, where = now(), tokens.c.id == token_id
        with self._transaction() as connection:
            query = select(tokens).where(where).with_for_update()
            row, found = connection.execute(query).first(), self._token(connection, token_id)
            if row is None or not found.valid_at(at):
                raise Refused(
                    f"{token_id} is not valid any more: it is revoked or expired",
                    "make another one: fraisier token create",
                )
            until = min(at + overlap, found.expires_at or at + overlap)
            ends = found.renewed_until(at)
            values = {
                "digest": digest,
                "rotated_at": at,
                "expires_at": ends if latest is None else min(ends or latest, latest),
                "previous_digest": row.digest,
                "previous_until": until,
            }
            connection.execute(update(tokens).where(where).values(**values))
            said = f"the secret before it is valid for {overlap // 1_000_000} s"
            note(connection, by, "token.rotate", token_id, said)
            return self._token(connection, token_id)

    def revoke_token(self, token_id: str, by: str) -> Token:
        """Make a token invalid for good."""
        with self._transaction() as connection:
            if self._token(connection, token_id).revoked_at is not None:
                raise Refused(f"{token_id} is revoked already")
            where = tokens.c.id == token_id
            connection.execute(update(tokens).where(where).values(revoked_at=now()))
            note(connection, by, "token.revoke", token_id)
            return self._token(connection, token_id)

    def revoke_made_tokens(self, token_id: str, by: str) -> list[Token]:
        """Revoke every valid token that a token made, or that those made; return them."""
        at = now()
        with self._transaction() as connection:
            made: dict[str, list[Token]] = {}
            for row in connection.execute(select(tokens).order_by(tokens.c.created_at)):
                made.setdefault(row.created_by, []).append(_token_from(row))
            found = list(made.get(token_id, ()))
            for token in found:  # it grows meanwhile
                found += made.get(token.id, ())
            valid = [token for token in found if token.valid_at(at)]
            where = tokens.c.id.in_([token.id for token in valid])
            connection.execute(update(tokens).where(where).values(revoked_at=at))
            for token in valid:
                note(connection, by, "token.revoke", token.id, f"{token.created_by} made it")
            return [replace(token, revoked_at=at) for token in valid]

    def used_token(self, token_id: str) -> None:
        """Record that a token has just been used."""
        with self._transaction() as connection:
            where = tokens.c.id == token_id
            connection.execute(update(tokens).where(where).values(last_used_at=now()))

    def _token(self, connection: Connection, token_id: str) -> Token:
        row = connection.execute(select(tokens).where(tokens.c.id == token_id)).first()
        if row is None:
            raise TokenNotFound(f'no token "{token_id}"', "see: fraisier token list")
        return _token_from(row)


def _token_from(row: Any) -> Token:
    values = {name: row._mapping[name] for name in Token.__dataclass_fields__}
    return Token(**{**values, "scope": Scope(row.scope), "targets": tuple(row.targets.split(","))})
