"""Tokens: shown once, recognised while they are valid, told apart by nothing when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraisier.domain.errors import Unauthorized
from fraisier.domain.token import Scope, digest, new_secret
from fraisier.engine.tokens import Tokens
from fraisier.engine.views import token_json
from fraisier.store import SqlStore
from support.records import open_records


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    """Return a new store."""
    return open_records(tmp_path / "records.db")


def test_a_token_is_recognised_by_its_secret_which_is_kept_nowhere(
    store: SqlStore, tmp_path: Path
) -> None:
    token, secret = Tokens(store).create("ci", Scope.DEPLOY, 1, "cli:me")
    found = Tokens(store).recognise(secret)
    assert (found.id, found.scope) == (token.id, Scope.DEPLOY)
    assert secret not in str(token_json(found))
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes(), file.name
        assert secret[4:-6].encode() not in file.read_bytes(), file.name


def test_every_token_that_is_not_valid_is_refused_with_the_same_words(store: SqlStore) -> None:
    tokens = Tokens(store)
    expired = tokens.create("old", Scope.ADMIN, -1, "me")[1]
    token, revoked = tokens.create("gone", Scope.ADMIN, None, "me")
    tokens.recognise(revoked)
    tokens.revoke(token.id, "me")
    said = set()
    for secret in (expired, revoked, new_secret(), "", "nonsense", "é", "x" * 10**6):
        with pytest.raises(Unauthorized) as caught:
            tokens.recognise(secret)
        said.add(str(caught.value))
        assert not secret or secret not in str(caught.value)
    assert len(said) == 1


def test_the_last_use_is_recorded_now_and_then_not_each_time(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, uses = Tokens(store), []
    _, secret = tokens.create("ci", Scope.READ, None, "me")
    record = store.used_token
    monkeypatch.setattr(store, "used_token", lambda name: (uses.append(name), record(name)))
    for _ in range(3):
        tokens.recognise(secret)
    assert len(uses) == 1
    assert store.find_token(digest(secret)).last_used_at
