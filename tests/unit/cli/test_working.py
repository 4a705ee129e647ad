"""What `serve` and `worker` say of themselves: name, labels, and where their records are."""

from __future__ import annotations

import os

import pytest

from fraisier.cli.working import described, new_worker
from fraisier.config.settings import Settings
from fraisier.domain.errors import ConfigurationError, UsageError
from fraisier.domain.nats_url import nats_problem, nats_servers
from fraisier.domain.worker import takes
from support.fakes import make_target


def test_a_worker_has_a_name_and_takes_everything_unless_told_otherwise() -> None:
    worker = new_worker("worker", Settings(), 4, (), None)
    assert worker.name.endswith(f":{os.getpid()}")
    assert (worker.kind, worker.labels, worker.at_once) == ("worker", {}, 4)
    assert described(worker).endswith("takes every target")


def test_labels_come_from_the_settings_and_an_option_wins() -> None:
    settings = Settings(region="eu", network="dmz")
    worker = new_worker("serve", settings, 1, ("region=us",), " mine ")
    assert worker.name == "mine"
    assert worker.labels == {"region": "us", "network": "dmz"}
    assert described(worker) == "mine takes targets of network dmz, region us"


@pytest.mark.parametrize("label", ["", "region", "region=", "zone=eu", "region=a b", "=eu"])
def test_a_label_that_is_none_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match="--label"):
        new_worker("worker", Settings(), 1, (label,), None)


@pytest.mark.parametrize(
    ("labels", "region", "network", "taken"),
    [
        ({}, "eu", "dmz", True),
        ({}, "default", None, True),
        ({"region": "eu"}, "eu", None, True),
        ({"region": "eu"}, "default", None, False),
        ({"network": "dmz"}, "eu", "dmz", True),
        ({"network": "dmz"}, "eu", None, False),
        ({"network": "lan"}, "eu", "dmz", False),
        ({"region": "eu", "network": "dmz"}, "eu", "dmz", True),
        ({"region": "us", "network": "dmz"}, "eu", "dmz", False),
    ],
)
def test_a_worker_takes_the_targets_of_its_labels(
    labels: dict[str, str], region: str, network: str | None, taken: bool
) -> None:
    assert takes(labels, make_target(region=region, network=network)) is taken


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("nats://127.0.0.1:4222", True),
        ("tls://user:secret@nats.example.com", True),
        ("nats://a:4222, nats://b:4222", True),
        ("nats://token@[::1]:4222", True),
        ("http://a:4222", False),
        ("127.0.0.1:4222", False),
        ("nats://", False),
        ("nats://a:port", False),
        ("nats://a:4222/subject", False),
        ("nats://a b:4222", False),
        (",", False),
    ],
)
def test_the_url_of_nats_is_checked(url: str, good: bool) -> None:
    assert (nats_problem(url) is None) is good


def test_a_bad_setting_is_told_without_its_secret() -> None:
    environ = {"FRAISIER_NATS_URL": "http://me:hunter2@a", "FRAISIER_REGION": "a b"}
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(environ)
    assert "FRAISIER_NATS_URL: write it as nats://" in str(caught.value)
    assert "FRAISIER_REGION: letters, digits" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Settings(nats_url="nats://me:hunter2@a"))


def test_a_setting_names_several_servers() -> None:
    assert nats_servers(" nats://a , nats://b,") == ("nats://a", "nats://b")
