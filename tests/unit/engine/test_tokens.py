"""Tokens: shown once, recognised while they are valid, told apart by nothing when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraisier.domain.errors import Forbidden, Unauthorized
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


def test_a_token_makes_none_that_outlives_it(store: SqlStore) -> None:
    tokens = Tokens(store)
    maker, _ = tokens.create("short", Scope.ADMIN, 1, "me")
    usual, _ = tokens.create("usual", Scope.READ, 90, maker.id, maker=maker)
    assert usual.expires_at == maker.expires_at
    for days in (None, 2, 90.5):
        with pytest.raises(Forbidden):
            tokens.create("long", Scope.READ, days, maker.id, maker=maker)
    shorter, _ = tokens.create("shorter", Scope.READ, 0.5, maker.id, maker=maker)
    assert shorter.expires_at < maker.expires_at
    forever, _ = tokens.create("forever", Scope.ADMIN, None, "me")
    assert tokens.create("too", Scope.READ, None, forever.id, maker=forever)[0].expires_at is None


def test_a_token_rotates_no_other_beyond_its_own_end(store: SqlStore) -> None:
    tokens = Tokens(store)
    maker, _ = tokens.create("short", Scope.ADMIN, 1, "me")
    other, _ = tokens.create("other", Scope.READ, 30, "me")
    assert tokens.rotate(other.id, 0, maker.id, maker)[0].expires_at == maker.expires_at
    forever, secret = tokens.create("forever", Scope.READ, None, "me")
    with pytest.raises(Forbidden):
        tokens.rotate(forever.id, 0, maker.id, maker)
    assert tokens.recognise(secret).id == forever.id
    assert tokens.rotate(forever.id, 0, "cli:me")[0].expires_at is None
    assert tokens.rotate(maker.id, 0, maker.id, maker)[0].expires_at > maker.expires_at


def test_a_token_is_revoked_with_those_it_made_and_those_they_made(store: SqlStore) -> None:
    tokens = Tokens(store)
    first, _ = tokens.create("first", Scope.ADMIN, 1, "cli:me")
    second, _ = tokens.create("second", Scope.ADMIN, 0.5, first.id, maker=first)
    third, secret = tokens.create("third", Scope.READ, 0.2, second.id, maker=second)
    old, _ = tokens.create("old", Scope.READ, -1, first.id, maker=first)
    other, another = tokens.create("other", Scope.READ, 1, "cli:me")
    tokens.revoke(second.id, "cli:me")
    revoked, others = tokens.revoke_with_made(first.id, "cli:me")
    assert (revoked.id, revoked.revoked_at is not None) == (first.id, True)
    assert [each.id for each in others] == [third.id]
    with pytest.raises(Unauthorized):
        tokens.recognise(secret)
    assert tokens.recognise(another).id == other.id
    assert store.token(old.id).revoked_at is None
    assert tokens.revoke_with_made(first.id, "cli:me")[1] == []


def test_a_token_that_renews_itself_does_not_outlive_the_one_that_made_it(store: SqlStore) -> None:
    tokens = Tokens(store)
    maker, _ = tokens.create("short", Scope.ADMIN, 1, "me")
    made, _ = tokens.create("made", Scope.ADMIN, 0.5, maker.id, maker=maker)
    first, _ = tokens.rotate(made.id, 0, made.id, maker=made)
    assert made.expires_at < first.expires_at <= maker.expires_at
    again, _ = tokens.rotate(made.id, 0, made.id, maker=first)
    assert again.expires_at <= maker.expires_at
    own, _ = tokens.rotate(maker.id, 0, maker.id, maker=maker)
    assert own.expires_at > maker.expires_at, "a person made it"
