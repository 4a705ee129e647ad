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
    ],
)
def test_the_database_stands_beside_the_configuration(url: str | None, found: str) -> None:
    assert Settings(database_url=url).database_for("/srv/config/fraises.yaml") == found


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "DATABASE_URL",
            "postgresql://me:hunter2@db/f",
            "postgresql: databases are not supported by this version; write sqlite:///PATH",
        ),
        ("DATABASE_URL", "hunter2", "this is not supported by this version; write sqlite:///PATH"),
        ("DATABASE_URL", "sqlite://", "sqlite: databases are not supported by this version"),
        ("DATABASE_URL", "sqlite:///", "records must outlive the process: name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "records must outlive the process: name a file"),
        ("DATABASE_URL", "sqlite:///a.db?x=1", "name a plain file, without options"),
    ],
)
def test_a_bad_setting_is_told_by_its_name_and_not_its_value(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ({f"FRAISIER_{name}": value})
    assert str(caught.value).startswith(f"environment: FRAISIER_{name}: {message}")
    assert "hunter2" not in str(caught.value)
