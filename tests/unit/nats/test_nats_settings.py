"""Settings of NATS: every bad one is said at once, and no secret is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraisier.domain.errors import ConfigurationError, UsageError
from fraisier.nats import Limits, NatsSettings, get_event_bus
from fraisier.nats.bus import EventBus
from support.pages import page


def settings(**values: str) -> NatsSettings:
    """Return the settings of an environment."""
    return NatsSettings.from_environ(
        {f"FRAISIER_NATS_{name}": text for name, text in values.items()}
    )


def test_without_any_setting_nats_is_off_and_nothing_is_limited_anew() -> None:
    assert settings() == NatsSettings()
    assert settings(URL="", MAX_AGE="").servers == ()
    assert settings().limits == Limits()
    assert Limits().set() == {}


def test_the_settings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    found = settings(
        URL="nats://a:4222, tls://me:secret@b",
        CREDENTIALS=str(file),
        TLS_CA=str(file),
        MAX_AGE="12h",
        MAX_BYTES="2GiB",
        REPLICAS="3",
        DISCARD="new",
    )
    assert found.servers == ("nats://a:4222", "tls://me:secret@b")
    assert found.limits == Limits(43_200, 2**31, 3, "new")
    assert (found.security.credentials, found.security.ca) == (str(file), str(file))
    assert "secret" not in repr(found)


def test_no_limit_is_written_as_0() -> None:
    assert settings(MAX_AGE="0", MAX_BYTES="0").limits.set() == {"max_age": 0.0, "max_bytes": -1}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("URL", "http://nats"),
        ("URL", "nats://me:hunter2@"),
        ("URL", "nats://a:99999"),
        ("URL", "nats://a/path"),
        ("URL", "nats://a\r\nb"),
        ("URL", ","),
        ("CREDENTIALS", "/none/such"),
        ("TLS_CA", "a\0b"),
        ("TLS_KEY", "/none/such"),
        ("MAX_AGE", "soon"),
        ("MAX_AGE", "10s"),
        ("MAX_AGE", "-1d"),
        ("MAX_AGE", "999999d"),
        ("MAX_AGE", "12H"),
        ("MAX_BYTES", "1k"),
        ("MAX_BYTES", "5KiB"),
        ("MAX_BYTES", "99999999999999TiB"),
        ("MAX_BYTES", "٣GiB"),
        ("REPLICAS", "2"),
        ("DISCARD", "all"),
    ],
)
def test_a_bad_setting_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"FRAISIER_NATS_{name}") as caught:
        settings(**{name: text})
    assert "hunter2" not in str(caught.value)


def test_every_bad_setting_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(URL="x", MAX_AGE="x", REPLICAS="x")
    assert len(caught.value.problems) == 3


def test_a_key_without_its_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    with pytest.raises(ConfigurationError, match="without its certificate"):
        settings(TLS_KEY=str(tmp_path / "key"))


def test_the_bus_knows_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAISIER_NATS_URL", "nats://one:4222")
    assert get_event_bus().url == "nats://one:4222"
    assert get_event_bus("nats://two:4222").url == "nats://two:4222"
    with pytest.raises(ConfigurationError):
        get_event_bus("gopher://x")


@pytest.mark.parametrize("name", ["a.b", "", "a b", "x" * 65, "*"])
def test_a_durable_name_that_cannot_be_one_is_refused(name: str) -> None:
    bus = EventBus(NatsSettings("nats://127.0.0.1:1"))
    with (
        pytest.raises(UsageError, match="name of a listener"),
        bus.delivering(
            ["log"],
            None,
            name,  # type: ignore[arg-type]
        ),
    ):
        pass


def test_every_setting_is_in_the_guide() -> None:
    guide = page("docs/NATS_INTEGRATION_GUIDE.md").text
    names = ("URL", "CREDENTIALS", "TLS_CA", "TLS_CERT", "TLS_KEY")
    for name in (*names, "MAX_AGE", "MAX_BYTES", "REPLICAS", "DISCARD"):
        assert f"`FRAISIER_NATS_{name}`" in guide
