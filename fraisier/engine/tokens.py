"""Tokens: made, shown once, recognised, given another secret, revoked."""

from __future__ import annotations

from collections.abc import Collection

from fraisier.domain.errors import Forbidden, TokenNotFound, Unauthorized
from fraisier.domain.ids import new_id, now
from fraisier.domain.ports import TokenStore
from fraisier.domain.reach import EVERYTHING, Reach
from fraisier.domain.token import (
    DAYS_OF_TOKENS,
    Scope,
    Token,
    digest,
    lifetime,
    new_secret,
    well_formed,
)
from fraisier.engine.views import timestamp

DAY = 86_400_000_000
SECOND = 1_000_000
#: A token's last use is recorded once in so many microseconds, not at every request.
USE_INTERVAL = 60_000_000
#: The default lifetime in microseconds; clients of 0.1.0 always send it.
USUAL = lifetime(DAYS_OF_TOKENS)


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
        further than `maker`, the token that asks for it, or outlive it. The usual lifetime is
        shortened to that of `maker` instead.
        """
        _require_no_further(maker, scope, reach)
        secret, made = new_secret(), now()
        lasts = None if days is None else int(days * DAY)
        expires = _end(maker, None if lasts is None else made + lasts, lasts == USUAL)
        token = Token(
            new_id("tok"), name, scope, made, by, expires_at=expires, targets=reach.patterns
        )
        self._store.add_token(token, digest(secret))
        return token, secret

    def rotate(
        self, token_id: str, overlap: float, by: str, maker: Token | None = None
    ) -> tuple[Token, str]:
        """Give a token another secret and return both; the one before is valid `overlap` seconds.

        Raises TokenNotFound, Refused where the token is not valid, and Forbidden as `create`. Where
        another token asks for it, the rotated one ends with that one at the latest. One that asks
        for itself ends with the token that made it, or when it would have ended.
        """
        found = self._store.token(token_id)
        _require_no_further(maker, found.scope, found.reach)
        latest = None
        if maker is not None and maker.id == token_id:
            latest = self._end_of_maker(found)
        elif maker is not None:
            _end(maker, found.expires_at, shorten=found.expires_at is not None)
            latest = maker.expires_at
        secret, kept = new_secret(), int(overlap * SECOND)
        return self._store.rotate_token(token_id, digest(secret), kept, by, latest), secret

    def _end_of_maker(self, token: Token) -> int | None:
        """Return how far a token may renew itself; None where no token with an end made it."""
        try:
            ends = self._store.token(token.created_by).expires_at
        except TokenNotFound:
            return None
        return None if ends is None or token.expires_at is None else max(ends, token.expires_at)

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

    def revoke_with_made(self, token_id: str, by: str) -> tuple[Token, list[Token]]:
        """Make a token invalid and every token that it made, or that those made.

        Returns it, and which of the others were still valid. It may be revoked already.
        """
        token = self._store.token(token_id)
        if token.revoked_at is None:
            token = self._store.revoke_token(token_id, by)
        return token, self._store.revoke_made_tokens(token_id, by)


def _require_no_further(maker: Token | None, scope: Scope, reach: Reach) -> None:
    if maker is not None and not maker.may_make(scope, reach):
        raise Forbidden(
            "a token makes none that reaches further than itself",
            f'use a token with the scope "{scope}" that reaches those targets, or make it on the '
            "server",
        )


def _end(maker: Token | None, end: int | None, shorten: bool) -> int | None:
    """Return when a token ends that `maker` makes or rotates; raise Forbidden if it outlived it."""
    if maker is None or not maker.outlived_by(end):
        return end
    if shorten:
        return maker.expires_at
    raise Forbidden(
        f"a token may make or rotate none that outlives it: {maker.id} ends at "
        f"{timestamp(maker.expires_at)}",
        "ask for less time, use a token that lasts longer, or do it on the server: fraisier token",
    )
