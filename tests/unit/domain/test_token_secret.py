"""Secrets of tokens, and how far scopes reach."""

from __future__ import annotations

import re

import pytest

from fraisier.domain.token import Scope, Token, digest, new_secret, well_formed


def test_a_secret_is_recognisable_random_and_checked() -> None:
    secrets = {new_secret() for _ in range(200)}
    assert len(secrets) == 200
    for secret in secrets:
        assert re.fullmatch(r"fra_[0-9A-Za-z]{38}", secret)
        assert well_formed(secret)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: "",
        lambda s: s[:-1],
        lambda s: s + "a",
        lambda s: s.replace("fra_", "fro_"),
        lambda s: s[:10] + ("a" if s[10] != "a" else "b") + s[11:],
        lambda s: s[:-1] + ("a" if s[-1] != "a" else "b"),
        lambda s: "é" * len(s),
        lambda s: "x" * 1_000_000,
    ],
)
def test_what_is_mistyped_or_foreign_is_found_without_the_records(change) -> None:
    assert not well_formed(change(new_secret()))


def test_only_the_digest_is_kept() -> None:
    secret = new_secret()
    assert digest(secret) == digest(secret) != digest(new_secret())
    assert re.fullmatch(r"[0-9a-f]{64}", digest(secret))
    assert secret not in digest(secret)


@pytest.mark.parametrize(
    ("has", "needs", "may"),
    [
        ("read", "read", True), ("read", "deploy", False), ("read", "admin", False),
        ("deploy", "read", True), ("deploy", "deploy", True), ("deploy", "admin", False),
        ("admin", "read", True), ("admin", "deploy", True), ("admin", "admin", True),
    ],
)  # fmt: skip
def test_each_scope_holds_those_before_it(has: str, needs: str, may: bool) -> None:
    assert Scope(has).reaches(Scope(needs)) is may


def test_a_token_is_valid_until_it_expires_or_is_revoked() -> None:
    token = Token("tok_1", "ci", Scope.READ, 0, "me", expires_at=10)
    assert token.valid_at(9)
    assert not token.valid_at(10)
    assert not Token("tok_1", "ci", Scope.READ, 0, "me", revoked_at=5).valid_at(1)
    assert Token("tok_1", "ci", Scope.READ, 0, "me").valid_at(10**18)
