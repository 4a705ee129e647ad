"""`webhooks` and `notifications`: what they come to, and what is said where they are wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from config_files import Files

from fraisier.config import load
from fraisier.config.networks import networks_of, networks_problem
from fraisier.domain.delivery import Endpoint
from fraisier.domain.errors import ConfigurationError
from fraisier.domain.secret import SecretReference
from support.receiving import told

SECRET = {"env": "HOOK_SECRET"}
URL = "https://example.com/hook"
HOOK = {"url": URL, "secret": SECRET}
SLACK = {"type": "slack", "url": {"env": "SLACK_URL"}}
MAIL = {"type": "email", "url": "smtps://mail.example.com", "from": "a@example.com",
        "to": ["b@example.com"]}  # fmt: skip


def loaded(files: Files, **keys: Any) -> tuple[Endpoint, ...]:
    """Return the receivers of a file with these keys."""
    provider = {"app_path": "/opt/my-api", "service_name": "my-api", "service_user": "app",
                "hosts": [{"hostname": "web-1"}]}  # fmt: skip
    production = {"provider": "bare_metal", "provider_config": provider}
    fraise = {"git_repo": "/srv/git/x", "environments": {"production": production}}
    document = {"fraises": {"my_api": fraise}, **keys}
    return load(str(files.write(yaml.safe_dump(document, sort_keys=False)))).receivers


def problems(files: Files, **keys: Any) -> str:
    """Return what is wrong with a file with these keys."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(files, **keys)
    return str(caught.value)


def test_a_webhook_has_its_secrets_and_usual_events(files: Files) -> None:
    (found,) = loaded(files, webhooks=[{**HOOK, "name": "hook", "old_secrets": [{"file": "old"}]}])
    assert (found.id, found.kind, found.url) == ("hook", "webhook", URL)
    assert found.secrets == (SecretReference("env", "HOOK_SECRET"), SecretReference("file", "old"))
    assert found.events == ("deployment.*",)
    assert URL not in repr(found), "a URL may be a secret itself"


def test_people_are_told_of_ends(files: Files) -> None:
    slack, mail = loaded(files, notifications=[SLACK, MAIL])
    assert (slack.kind, slack.url) == ("slack", SecretReference("env", "SLACK_URL"))
    assert slack.events == ("deployment.completed",)
    assert (mail.sender, mail.recipients) == ("a@example.com", ("b@example.com",))


def test_a_receiver_without_a_name_keeps_one_while_its_url_stays(files: Files) -> None:
    (first,) = loaded(files, webhooks=[HOOK])
    _, again = loaded(files, webhooks=[{**HOOK, "name": "other"}, HOOK])
    (moved,) = loaded(files, webhooks=[{**HOOK, "url": f"{URL}2"}])
    assert first.id == again.id != moved.id
    assert first.id.startswith("example.com-")


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, True),
        ({"events": ["deployment.started"]}, False),
        ({"events": ["health_check.*", "*"]}, True),
        ({"fraises": ["my_api"], "environments": ["production"]}, True),
    ],
)
def test_what_it_wants_is_narrowed(files: Files, more: dict[str, Any], wanted: bool) -> None:
    (found,) = loaded(files, webhooks=[{**HOOK, **more}])
    assert found.wants(told()) is wanted


def test_another_fraise_is_not_its_concern(files: Files) -> None:
    (found,) = loaded(files, webhooks=[{**HOOK, "fraises": ["my_api"]}])
    assert not found.wants(told(fraise="other"))
    assert not found.wants(told(fraise=None, event="audit.token.create"))


@pytest.mark.parametrize(
    ("key", "entry", "said"),
    [
        ("webhooks", {"url": URL}, 'webhooks[0]: "secret" is missing'),
        ("webhooks", {**HOOK, "secret": "hunter2"}, "webhooks[0].secret: "),
        ("webhooks", {**HOOK, "url": "ftp://example.com"}, "webhooks[0].url: "),
        ("webhooks", {**HOOK, "url": "https://me:hunter2@example.com"}, "webhooks[0].url: "),
        ("webhooks", {**HOOK, "url": "https://"}, "webhooks[0].url: "),
        ("webhooks", {**HOOK, "events": []}, "webhooks[0].events: "),
        ("webhooks", {**HOOK, "events": ["deploymnt.*"]}, 'there is no event "deploymnt.*"'),
        ("webhooks", {**HOOK, "fraises": ["my_apo"]}, 'no fraise "my_apo"; did you mean "my_api"'),
        ("webhooks", {**HOOK, "environments": ["x"]}, 'there is no environment "x"'),
        ("webhooks", {**HOOK, "secret": {"env": "A B"}}, "must name an environment variable"),
        ("webhooks", {**HOOK, "templates": "x"}, "unknown key"),
        ("notifications", {**SLACK, "type": "slak"}, 'did you mean "slack"?'),
        ("notifications", {**SLACK, "url": "https://hooks.example/hunter2"}, "is a secret: write"),
        ("notifications", {**SLACK, "template": "{fraisse}"}, "knows no {fraisse}"),
        ("notifications", {**SLACK, "template": "{fraise.__class__}"}, "template: "),
        ("notifications", {**SLACK, "template": "{{ 7*7 }} {"}, "template: "),
        ("notifications", {**SLACK, "to": ["a@b.c"]}, "is for the type email only"),
        ("notifications", {**MAIL, "to": ["a@b.c\nBcc: evil@b.c"]}, "notifications[0].to[0]: "),
        ("notifications", {**MAIL, "url": "smtp://me:hunter2@mail"}, "holds a password"),
        ("notifications", {**MAIL, "url": "https://mail"}, "must be smtps://HOST"),
        ("notifications", {"type": "email", "url": "smtp://mail"}, '"from" is missing'),
    ],
)
def test_what_is_wrong_is_told(files: Files, key: str, entry: Any, said: str) -> None:
    found = problems(files, **{key: [entry]})
    assert said in found
    assert "hunter2" not in found


def test_two_receivers_have_two_names(files: Files) -> None:
    twice = [{**HOOK, "name": "Hook"}, {**HOOK, "name": "hook"}]
    assert "hook is what webhooks[0] is called" in problems(files, webhooks=twice)
    assert "give each a `name` of its own" in problems(files, webhooks=[HOOK, HOOK])


def test_networks_are_lists_of_addresses() -> None:
    found = networks_of("10.0.0.0/8, 192.168.1.7,fd00::/8")
    assert [str(each) for each in found] == ["10.0.0.0/8", "192.168.1.7/32", "fd00::/8"]
    assert networks_of(None) == networks_of("") == ()
    assert networks_problem("10.0.0.0/8, 192.168.1.7") is None
    for wrong in ("10.0.0.1/8", "example.com", "10.0.0.0/33", "*"):
        assert "is no network" in str(networks_problem(wrong))
