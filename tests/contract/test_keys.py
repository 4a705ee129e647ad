"""Idempotency keys in each database: one request is done, whatever comes at once or again (I9)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import update

from fraisier.domain.errors import AnswerNotKept, KeyInProgress, KeyReused
from fraisier.domain.idempotency import HELD_SECONDS, Answer, Asked, Held
from fraisier.domain.ids import now
from fraisier.domain.ports import NewDeployment
from fraisier.store import SqlStore
from fraisier.store.tables import idempotency_keys
from support.fakes import make_target

ASKED = Asked("tok_1", "kéy", "0" * 64)
OTHER = replace(ASKED, fingerprint="1" * 64)
ANSWER = Answer(200, '{"é": 1}', "/api/v1/x")


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    opened = SqlStore.open(database_url, pool=20)
    yield opened
    opened._engine.dispose()


def held(store: SqlStore, asked: Asked = ASKED) -> Held:
    found = store.take_key(asked)
    assert isinstance(found, Held)
    return found


def test_an_answer_is_given_again_to_the_same_request_only(store: SqlStore) -> None:
    store.keep_answer(held(store), ANSWER)
    assert store.take_key(ASKED) == ANSWER
    with pytest.raises(KeyReused):
        store.take_key(OTHER)
    held(store, replace(OTHER, token_id="tok_2"))
    held(store, replace(OTHER, key="key"))


def test_while_it_has_no_answer_it_is_in_progress_and_released_it_is_free(store: SqlStore) -> None:
    first = held(store)
    with pytest.raises(KeyInProgress):
        store.take_key(ASKED)
    with pytest.raises(KeyReused):
        store.take_key(OTHER)
    store.release_key(first)
    held(store, OTHER)


def test_a_request_whose_process_died_is_free_after_a_while_and_late_answers_are_lost(
    store: SqlStore,
) -> None:
    dead = held(store)
    long_ago = now() - (HELD_SECONDS + 1) * 1_000_000
    with store._engine.begin() as connection:
        connection.execute(update(idempotency_keys).values(created_at=long_ago))
    second = held(store)
    store.keep_answer(dead, ANSWER)
    store.release_key(dead)
    with pytest.raises(KeyInProgress):
        store.take_key(ASKED)
    store.keep_answer(second, ANSWER)
    assert store.take_key(ASKED) == ANSWER


def test_an_answer_that_is_not_kept_is_not_given_again(store: SqlStore) -> None:
    store.keep_answer(held(store), Answer(201, None))
    with pytest.raises(AnswerNotKept, match="201"):
        store.take_key(ASKED)


def test_of_many_at_once_one_is_done(store: SqlStore) -> None:
    def ask(_: int) -> Held | str:
        try:
            return held(store)
        except KeyInProgress as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(ask, range(40)))
    assert len([each for each in got if isinstance(each, Held)]) == 1


def test_a_key_stands_for_one_thing_be_it_a_deployment_or_not(store: SqlStore) -> None:
    new = NewDeployment("deploy", make_target(), "v1", "v1", "rolling", "tok_1", ASKED.key, "f")
    store.request(new)
    with pytest.raises(KeyReused, match="dep_"):
        store.take_key(ASKED)
    held(store, replace(ASKED, key="another"))
    with pytest.raises(KeyReused):
        store.request(replace(new, idempotency_key="another"))


def test_keys_that_have_expired_go(store: SqlStore) -> None:
    store.keep_answer(held(store), ANSWER)
    assert store.prune_keys(now() - 1_000_000) == 0
    assert store.prune_keys(now() + 1) == 1
    assert store.prune_keys(now() + 1) == 0
    held(store, OTHER)
