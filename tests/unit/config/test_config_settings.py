"""Settings from the environment."""

from __future__ import annotations

import pytest

from fraisier.config import Settings
from fraisier.domain.errors import ConfigurationError


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environ({}) == Settings(None, None)
    assert Settings.from_environ({"FRAISIER_CONFIG": ""}) == Settings()


def test_every_setting_is_read() -> None:
    environ = {
        "FRAISIER_CONFIG": "/etc/f.yaml",
        "FRAISIER_DATABASE_URL": "sqlite:////var/lib/f.db",
    }
    assert Settings.from_environ(environ) == Settings("/etc/f.yaml", "sqlite:////var/lib/f.db")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (None, "sqlite:////srv/config/fraisier.db"),
        ("sqlite:///state/f.db", "sqlite:////srv/config/state/f.db"),
        ("sqlite:////var/lib/f.db", "sqlite:////var/lib/f.db"),
        ("postgresql://me@db/f", "postgresql://me@db/f"),
    ],
)
def test_the_database_stands_beside_the_configuration(url: str | None, found: str) -> None:
    assert Settings(database_url=url).database_for("/srv/config/fraises.yaml") == found


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "DATABASE_URL",
            "oracle://me:hunter2@db/f",
            "oracle: databases are not supported; write sqlite:///PATH, postgresql://USER",
        ),
        ("DATABASE_URL", "hunter2", "this is no URL; write sqlite:///PATH"),
        ("DATABASE_URL", "hunter2 ://x", "this is not supported; write sqlite:///PATH"),
        ("DATABASE_URL", "sqlite://", "sqlite: databases are not supported; write sqlite:///PATH"),
        ("DATABASE_URL", "mysql://me:x@db", "name the database: the part after the host"),
        ("DATABASE_URL", "mysql://me:x@db/a/b", "name the database: the part after the host"),
        ("DATABASE_URL", "mysql://me:x@/f", "name the host, as in"),
        ("DATABASE_URL", "postgresql://me:hunter2/x@db/f", "this is no URL of a database; percent"),
        ("DATABASE_URL", "postgresql://me:x@db/f#hunter2", "this is no URL of a database; percent"),
        ("DATABASE_URL", "sqlite:///", "records must outlive the process: name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "records must outlive the process: name a file"),
        ("DATABASE_URL", "sqlite:///a.db?x=1", "name a plain file, without options"),
        ("DATABASE_POOL", "1", "a whole number of connections from 2 to 1000"),
        ("DATABASE_POOL", "many", "a whole number of connections from 2 to 1000"),
    ],
)
def test_a_bad_setting_is_told_by_its_name_and_not_its_value(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ({f"FRAISIER_{name}": value})
    assert str(caught.value).startswith(f"environment: FRAISIER_{name}: {message}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p%40ss@db.example.com:5432/fraisier?sslmode=verify-full",
        "postgresql+psycopg2://me@db/fraisier",
        "postgresql:///fraisier?host=/run/postgresql",
        "mysql://me:x@db/fraisier",
        "mysql+pymysql://me:x@[::1]:3306/fraisier",
        "mariadb://me:x@db/fraisier",
    ],
)
def test_a_server_for_the_records_is_named_by_its_url(url: str) -> None:
    environ = {"FRAISIER_DATABASE_URL": url, "FRAISIER_DATABASE_POOL": "7"}
    settings = Settings.from_environ(environ)
    assert settings.database_for("/srv/fraises.yaml") == url
    assert settings.database_pool == 7
    assert url not in repr(settings), "a password is not shown by accident"


def test_rate_limits_are_numbers_of_requests_in_a_minute() -> None:
    environ = {"FRAISIER_RATE_LIMIT": "100", "FRAISIER_RATE_LIMIT_CHANGES": "10"}
    settings = Settings.from_environ(environ)
    assert (settings.rate_limit, settings.rate_limit_changes) == (100, 10)
    for wrong in ("0", "9", "-1", "1e9", "1000001", "many"):
        with pytest.raises(ConfigurationError, match="requests in a minute"):
            Settings.from_environ({"FRAISIER_RATE_LIMIT": wrong})


def test_the_largest_push_is_a_size() -> None:
    for text, size in (("64KiB", 65_536), ("25MiB", 25 << 20), ("100000", 100_000), ("", 2 << 20)):
        assert Settings.from_environ({"FRAISIER_WEBHOOK_MAX_BYTES": text}).webhook_max_bytes == size
    for wrong in ("0", "63KiB", "26MiB", "2MB", "-1", "much"):
        with pytest.raises(ConfigurationError, match="from 64KiB to 25MiB"):
            Settings.from_environ({"FRAISIER_WEBHOOK_MAX_BYTES": wrong})
