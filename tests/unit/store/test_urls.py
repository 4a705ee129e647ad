"""Database URLs whose password has an `@` as it is: nothing of it is shown."""

from __future__ import annotations

import pytest

from fraisier.domain.errors import StoreError
from fraisier.store.urls import parse, shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hun@ter2@db/f",
        "mysql://me:hun@ter2@db:3306/f?a=b",
        "mariadb://me:@ter2@db/f",
        "postgresql://me:hunter@@db/f",
        "postgresql://me:hun@ter2/x@db/f",
        "postgresql://me:hun@ter2#x@db/f",
        "postgresql://me:hun@ter2?x@db/f",
        "postgresql://me:hun@t?er2@db/f",
    ],
)
def test_a_bare_at_sign_in_a_password_is_refused_and_shows_nothing(url: str) -> None:
    assert shown(url) == f"{url.partition(':')[0]}://***"
    with pytest.raises(StoreError) as refused:
        parse(url)
    assert "%40" in refused.value.hint
    assert not any(part in str(refused.value) for part in ("hun", "ter2", "@db"))


def test_what_may_be_a_password_among_the_options_is_not_shown() -> None:
    url = "mysql://me:hun@t?x=er2@db/f"
    for each in (url, parse(url).render_as_string(hide_password=False)):
        assert "er2" not in shown(each)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:hun%40ter2@db/f", "postgresql://me:***@db/f"),
        ("postgresql://me%40x:hunter2@db/f", "postgresql://me%40x:***@db/f"),
        ("mysql://me:hunter2@db/me@x", "mysql://***"),
        ("postgresql://db/f?application_name=me@x", "postgresql://db/f?application_name=me%40x"),
        ("postgresql://me:x@db/f?application_name=me@x", "postgresql://***"),
        ("sqlite:////srv/me@x/f.db", "sqlite:////srv/me%40x/f.db"),
    ],
)  # fmt: skip
def test_other_at_signs_are_understood(url: str, said: str) -> None:
    assert shown(url) == said
    assert parse(url)
