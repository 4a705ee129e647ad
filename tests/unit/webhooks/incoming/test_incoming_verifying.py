"""Signatures of git hosts: what proves a delivery, and what does not."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook
from werkzeug.datastructures import Headers

from fraisier.domain.errors import Unauthorized
from fraisier.webhooks.incoming import HOSTS
from fraisier.webhooks.incoming.hosts import FORM, JSON
from fraisier.webhooks.incoming.verifying import Secrets
from support.pushing import (
    SAMPLES,
    SECRET,
    STANDARD,
    delivery,
    digest,
    form,
    gitea,
    github,
    headers,
    route,
    standard,
)

BODY = b'{"a": 1}'
NOW = 1_795_000_000.0
HEADER = {
    "github": ("X-Hub-Signature-256", "sha256="),
    "gitea": ("X-Gitea-Signature", ""),
    "forgejo": ("X-Forgejo-Signature", ""),
    "gogs": ("X-Gogs-Signature", ""),
    "bitbucket": ("X-Hub-Signature", "sha256="),
}


def verify(host: str, shown: Any, body: bytes = BODY, secrets: Secrets | None = None) -> None:
    """Verify a delivery at NOW."""
    HOSTS[route(host)].verify(Headers(shown), body, secrets or Secrets((SECRET,)), NOW)


def refused(host: str, shown: Any, body: bytes = BODY, secrets: Secrets | None = None) -> str:
    """Return why a delivery is refused."""
    with pytest.raises(Unauthorized) as caught:
        verify(host, shown, body, secrets)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("host", SAMPLES)
def test_what_a_host_signs_is_accepted(host: str) -> None:
    body, shown = delivery(host)
    verify(host, shown, body)


@pytest.mark.parametrize("host", SAMPLES)
def test_while_a_secret_is_replaced_both_are_accepted(host: str) -> None:
    both = Secrets(("the new one, which is long too", SECRET))
    verify(host, headers(host, BODY), secrets=both)
    verify(host, headers(host, BODY, secret="the new one, which is long too"), secrets=both)
    refused(host, headers(host, BODY, secret="another"), secrets=both)


@pytest.mark.parametrize("host", HEADER)
def test_a_signature_is_right_to_the_letter(host: str) -> None:
    name, prefix = HEADER[host]
    right = digest(BODY)
    wrong = [
        "", prefix, right[:-1], right + "0", right.upper(), f"sha1={right[:40]}", f" {right}",
        f"{prefix}{right}\n", f"{prefix}{'0' * 64}", f"{prefix}{'g' * 64}", f"{prefix}é",
        f"{prefix.upper() or 'sha256='}{right}", f"{prefix}{right}, {prefix}{right}",
        digest(BODY + b" "), base64.b64encode(bytes.fromhex(right)).decode(),
    ]  # fmt: skip
    good = headers(host, BODY)
    verify(host, good)
    for value in wrong:
        with pytest.raises(Unauthorized):
            HOSTS[host].verify(_plain({**good, name: value}), BODY, Secrets((SECRET,)), NOW)
    refused(host, {key: value for key, value in good.items() if key != name})
    refused(host, good, BODY + b" ")


def _plain(shown: dict[str, str]) -> Any:
    """Return headers that may hold anything."""

    class Plain:
        def get(self, name: str, default: str = "") -> str:
            return {key.lower(): value for key, value in shown.items()}.get(name.lower(), default)

    return Plain()


@pytest.mark.parametrize("host", ["gitea", "forgejo", "gogs"])
def test_another_hosts_header_rescues_nothing(host: str) -> None:
    """S4. Gitea sends GitHub's headers too; a bad signature of its own is bad."""
    good = headers(host, BODY)
    name, _ = HEADER[host]
    for wrong in ("", "0" * 64):
        refused(host, {**good, name: wrong})


@pytest.mark.parametrize("host", SAMPLES)
def test_without_a_secret_nothing_is_accepted(host: str) -> None:
    """S4."""
    for secrets in (Secrets(()), Secrets(("",)), Secrets((), ("",))):
        refused(host, headers(host, BODY, secret=""), secrets=secrets)


@pytest.mark.parametrize("host", ["gitea", "forgejo", "gogs"])
def test_of_a_form_the_json_in_it_is_signed(host: str) -> None:
    """Gitea `services/webhook/deliver.go`, Forgejo `default.go`, Gogs `database/webhook.go`."""
    secrets = Secrets((SECRET,))
    body, shown = form(gitea(message='ä & b = "c" % d + e'), host)
    HOSTS[host].prove(Headers(shown), FORM, body, secrets, NOW)
    of_the_body = headers(host, body)
    HOSTS[host].prove(Headers(of_the_body), FORM, body, secrets, NOW)  # as 0.1.0 accepted it
    other, _ = form(gitea(message="another"), host)
    for wrong in (other, body + b"+", body + b"&" + body, b"payload=", b"x=1", b"\xff", b""):
        with pytest.raises(Unauthorized):
            HOSTS[host].prove(Headers(shown), FORM, wrong, secrets, NOW)
    for secret in (Secrets(("another",)), Secrets(())):
        with pytest.raises(Unauthorized):
            HOSTS[host].prove(Headers(shown), FORM, body, secret, NOW)
    with pytest.raises(Unauthorized):
        HOSTS[host].prove(Headers(shown), JSON, body, secrets, NOW)


def test_github_signs_a_form_as_it_is_sent() -> None:
    body, shown = form(github(), "github")
    with pytest.raises(Unauthorized):
        HOSTS["github"].prove(Headers(shown), FORM, body, Secrets((SECRET,)), NOW)
    signed = headers("github", body)
    HOSTS["github"].prove(Headers(signed), FORM, body, Secrets((SECRET,)), NOW)


def test_gitlab_signs_by_standard_webhooks_where_a_key_is_known() -> None:
    keyed = Secrets((SECRET,), (STANDARD,))
    signed = standard(BODY, "msg_1", NOW)
    verify("gitlab", {"X-Gitlab-Token": "", **signed}, secrets=keyed)
    verify("gitlab", signed, secrets=Secrets((), (STANDARD,)))
    verify("gitlab", {"X-Gitlab-Token": SECRET}, secrets=keyed)
    wrong = {**signed, "webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()}
    refused("gitlab", {**wrong, "X-Gitlab-Token": SECRET}, secrets=keyed)
    refused("gitlab", {"X-Gitlab-Token": SECRET}, secrets=Secrets((), (STANDARD,)))


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-signature": "v1,###"},
        {"webhook-signature": "v1a,AAAA"},
        {"webhook-signature": ""},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "1e300"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": str(int(NOW) - 361)},
        {"webhook-timestamp": str(int(NOW) + 361)},
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
    ],
)
def test_what_standard_webhooks_does_not_allow_is_refused(change: dict[str, str]) -> None:
    shown = {**standard(BODY, "msg_1", NOW), **change}
    with pytest.raises(Unauthorized):
        HOSTS["gitlab"].verify(_plain(shown), BODY, Secrets((), (STANDARD,)), NOW)


def test_a_moment_is_bound_to_its_signature() -> None:
    """A delivery that is repeated later with a new timestamp is not signed."""
    keyed = Secrets((), (STANDARD,))
    for late in (-301, 301):
        refused("gitlab", standard(BODY, "msg_1", NOW + late), secrets=keyed)
        shown = {**standard(BODY, "msg_1", NOW + late), "webhook-timestamp": str(int(NOW))}
        refused("gitlab", shown, secrets=keyed)
    verify("gitlab", standard(BODY, "msg_1", NOW - 299), secrets=keyed)


def test_an_independent_library_agrees() -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    made = Webhook(STANDARD).sign("msg_1", at, BODY.decode())
    shown = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW)), "webhook-signature": made}
    verify("gitlab", shown, secrets=Secrets((), (STANDARD,)))
