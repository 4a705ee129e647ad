"""Tokens: made, shown once, recognised, given another secret, revoked."""

from __future__ import annotations

from collections.abc import Collection

from fraisier.domain.errors import Forbidden, Unauthorized
from fraisier.domain.ids import new_id, now
from fraisier.domain.ports import TokenStore
from fraisier.domain.reach import EVERYTHING, Reach
from fraisier.domain.token import Scope, Token, digest, new_secret, well_formed

DAY = 86_400_000_000
SECOND = 1_000_000
#: A token's last use is recorded once in so many microseconds, not at every request.
USE_INTERVAL = 60_000_000


class Tokens:
    """Who may use the control API."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store

    def create(
        self,
        name: str,
        scope: Scope,
        days: float | None,
        by: str,
        reach: Reach = EVERYTHING,
        maker: Token | None = None,
    ) -> tuple[Token, str]:
        """Make a token that is valid for so many days (None: until it is revoked).

        Returns it with its secret, which is kept nowhere. Raises Forbidden where it would reach
        further than `maker`, the token that asks for it.
        """
        _require_no_further(maker, scope, reach)
        secret, made = new_secret(), now()
        expires = None if days is None else made + int(days * DAY)
        token = Token(
            new_id("tok"), name, scope, made, by, expires_at=expires, targets=reach.patterns
        )
        self._store.add_token(token, digest(secret))
        return token, secret

    def rotate(
        self, token_id: str, overlap: float, by: str, maker: Token | None = None
    ) -> tuple[Token, str]:
        """Give a token another secret and return both; the one before is valid `overlap` seconds.

        Raises TokenNotFound, Refused where the token is not valid, and Forbidden as `create`.
        """
        found = self._store.token(token_id)
        _require_no_further(maker, found.scope, found.reach)
        secret = new_secret()
        return self._store.rotate_token(token_id, digest(secret), int(overlap * SECOND), by), secret

    def recognise(self, secret: str) -> Token:
        """Return the valid token of a secret, or raise Unauthorized. Nothing said depends on why.

        It is looked up by its digest, so how long that takes says nothing about the secret.
        """
        found = self._store.find_token(digest(secret)) if well_formed(secret) else None
        if found is None or not found.valid_at(now()):
            raise Unauthorized(
                "this token is not valid: it is unknown, expired or revoked",
                "make one on the server: fraisier token create NAME",
            )
        if now() - (found.last_used_at or 0) > USE_INTERVAL:
            self._store.used_token(found.id)
        return found

    def still_valid(self, ids: Collection[str]) -> set[str]:
        """Return which of these tokens are neither revoked nor expired by now."""
        moment = now()
        return {token.id for token in self._store.tokens_of(ids) if token.valid_at(moment)}

    def all(self) -> list[Token]:
        """Return every token, newest first."""
        return self._store.tokens()

    def revoke(self, token_id: str, by: str) -> Token:
        """Make a token invalid; raise TokenNotFound, or Refused where it was already."""
        return self._store.revoke_token(token_id, by)


def _require_no_further(maker: Token | None, scope: Scope, reach: Reach) -> None:
    if maker is not None and not maker.may_make(scope, reach):
        raise Forbidden(
            "a token makes none that reaches further than itself",
            f'use a token with the scope "{scope}" that reaches those targets, or make it on the '
            "server",
        )
