"""Tokens, what they reach and what they may ask for in a minute, in each kind of database."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fraisier.domain.errors import FraisierError, RateLimited, Refused, TokenNotFound
from fraisier.domain.ids import now
from fraisier.domain.ports import Filter, NewDeployment
from fraisier.domain.rate import Limits
from fraisier.domain.reach import EVERYTHING, NOTHING, Reach
from fraisier.domain.token import Scope, Token
from fraisier.domain.worker import NewWorker
from fraisier.engine.rates import Rates
from fraisier.store import SqlStore
from support.fakes import make_target
from support.working import audited

MINUTE = 60_000_000


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """Return a store on each kind of database in turn."""
    opened = SqlStore.open(database_url)
    yield opened
    opened._engine.dispose()


def test_s2_lists_and_counts_are_filtered_as_the_reach_says(store: SqlStore) -> None:
    fraises, environments = ("api", "Api", "api_2", "apiX2", "shop"), ("prod", "production", "PROD")
    for fraise, environment in itertools.product(fraises, environments):
        target = make_target(fraise=fraise, environment=environment)
        store.request(NewDeployment("deploy", target, "v1", None, "rolling", "t"))
    reaches = [
        EVERYTHING, NOTHING, Reach.of(["api/*"]), Reach.of(["api*/*"]), Reach.of(["api_*/prod"]),
        Reach.of(["A*/prod*", "shop/PROD"]), Reach.of(["*/prod*"]), Reach.of(["nothing/*"]),
    ]  # fmt: skip
    for reach in reaches:
        wanted = Filter(reach=reach)
        found = {
            (each.target.fraise, each.target.environment) for each in store.deployments(wanted)
        }
        expected = {t for t in itertools.product(fraises, environments) if reach.covers(*t)}
        assert found == expected, reach
        assert store.count(wanted) == len(expected), reach
        assert store.count(Filter(fraise="shop", reach=reach)) == len(
            [each for each in expected if each[0] == "shop"]
        )


def test_s2_of_what_workers_hold_only_what_is_reached_is_told(store: SqlStore) -> None:
    worker = store.join(NewWorker("w", "serve", {}, 2), 300)
    held = {}
    for fraise in ("api", "shop"):
        target = make_target(fraise=fraise)
        asked = store.request(NewDeployment("deploy", target, "v1", None, "rolling", "t"))
        assert store.claim(asked.id, worker) is not None
        held[fraise] = asked.id
    assert {*store.workers()[0].running} == {*held.values()}
    assert store.workers(Reach.of(["api/*"]))[0].running == (held["api"],)
    assert store.workers(NOTHING)[0].running == ()


def test_s3_a_rotated_token_is_found_by_both_secrets_while_they_overlap(store: SqlStore) -> None:
    made = now()
    token = Token("tok_1", "ci", Scope.READ, made, "me", made + MINUTE, targets=("api/*", "b/c"))
    store.add_token(token, "first")
    assert store.token("tok_1") == token
    rotated = store.rotate_token("tok_1", "second", 10 * MINUTE, "you")
    assert (rotated.id, rotated.targets, rotated.scope) == ("tok_1", token.targets, Scope.READ)
    assert rotated.previous_until == token.expires_at, "not longer than it would have been"
    assert rotated.expires_at == rotated.rotated_at + MINUTE, "as long again as it was made for"
    assert store.find_token("first") == store.find_token("second") == rotated
    store.rotate_token("tok_1", "third", 0, "you")
    assert store.find_token("first") is store.find_token("second") is None
    assert store.find_token("third") is not None
    store.revoke_token("tok_1", "you")
    with pytest.raises(Refused, match="not valid"):
        store.rotate_token("tok_1", "fourth", 0, "you")
    with pytest.raises(TokenNotFound):
        store.rotate_token("tok_2", "fourth", 0, "you")


def test_s12_two_processes_get_no_more_than_the_limit_together(
    store: SqlStore, database_url: str
) -> None:
    stores = [store, SqlStore.open(database_url)]
    limits, granted, failed = Limits(100, 50), [], []

    def send(mine: SqlStore) -> None:
        rates = Rates(mine, limits)
        try:
            while True:
                granted.append(rates.request("tok_1", changes=True).reset)
        except RateLimited:
            return
        except FraisierError as error:
            failed.append(error)

    threads = [threading.Thread(target=send, args=(mine,)) for mine in stores * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[1]._engine.dispose()
    assert not failed
    minutes = 1 if min(granted) > 1 and max(granted) - min(granted) < 30 else 2
    assert 50 <= len(granted) <= 50 * minutes


def test_s12_what_is_left_of_a_minute_is_told(store: SqlStore) -> None:
    first = store.take_allowance("requests:tok_1", 5, 12)
    again = store.take_allowance("requests:tok_1", 50, 12)
    if again.seconds < first.seconds:  # both in one minute of the database's
        assert (first.granted, first.left, again.granted, again.left) == (5, 7, 7, 0)
        assert store.take_allowance("requests:tok_1", 1, 12).granted in (0, 1)
    assert 0 < first.seconds <= 60
    assert store.take_allowance("requests:tok_2", 5, 12).granted == 5


def test_what_is_written_to_learn_whether_that_works_costs_nobody_an_allowance(
    store: SqlStore,
) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(store.try_write) for _ in range(8)]:
            done.result()
    assert store.take_allowance("requests:tok_3", 5, 12).granted == 5
    store.try_write()


def test_a_token_is_found_by_its_digest_until_it_is_revoked(store: SqlStore) -> None:
    token = Token("tok_1", "ci", Scope.DEPLOY, 1, "cli:me", expires_at=5)
    store.add_token(token, "digest")
    assert store.find_token("digest") == token
    assert store.find_token("other") is None
    store.used_token(token.id)
    used = store.find_token("digest")
    assert used is not None
    assert used.last_used_at is not None
    assert store.revoke_token(token.id, "cli:you").revoked_at is not None
    assert [found.id for found in store.tokens()] == ["tok_1"]
    assert audited(store) == [
        ("cli:me", "token.create", "tok_1"),
        ("cli:you", "token.revoke", "tok_1"),
    ]
    with pytest.raises(Refused, match="already"):
        store.revoke_token(token.id, "cli:you")
    with pytest.raises(TokenNotFound):
        store.revoke_token("tok_2", "cli:you")


def test_the_tokens_that_a_token_made_are_revoked_and_no_others(store: SqlStore) -> None:
    makers = {"tok_1": "cli:me", "tok_2": "tok_1", "tok_3": "tok_2", "tok_4": "cli:me"}
    for number, (name, maker) in enumerate(makers.items()):
        store.add_token(Token(name, "ci", Scope.READ, number, maker), f"digest {name}")
    assert [each.id for each in store.revoke_made_tokens("tok_1", "cli:you")] == ["tok_2", "tok_3"]
    revoked = [each.id for each in store.tokens() if each.revoked_at is not None]
    assert sorted(revoked) == ["tok_2", "tok_3"]
    assert audited(store)[-2:] == [
        ("cli:you", "token.revoke", "tok_2"),
        ("cli:you", "token.revoke", "tok_3"),
    ]
    assert store.revoke_made_tokens("tok_1", "cli:you") == []


def test_tokens_are_found_by_their_ids(store: SqlStore) -> None:
    made = [Token(f"tok_{number}", "ci", Scope.READ, 1, "cli:me") for number in range(3)]
    for token in made:
        store.add_token(token, f"digest {token.id}")
    assert sorted(store.tokens_of(["tok_0", "tok_2", "tok_9"]), key=lambda each: each.id) == [
        made[0],
        made[2],
    ]
    assert store.tokens_of([]) == []
