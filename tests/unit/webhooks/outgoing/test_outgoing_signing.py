"""Signatures: an independent library takes them, and nothing that was changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from fraisier.webhooks.outgoing.signing import UnfitSecret, key_of, signature_headers

WHSEC = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PLAIN = "a secret of more than 24 characters, naïvely"
BODY = b'{"event": "deployment.completed", "version": "\\u00e9"}'


def signed(*secrets: str, at: int | None = None) -> dict[str, str]:
    return signature_headers(
        "whk_1", int(time.time()) if at is None else at, BODY, [key_of(each) for each in secrets]
    )


def library(secret: str) -> Webhook:
    return Webhook(secret if secret.startswith("whsec_") else secret.encode())


@pytest.mark.parametrize("secret", [WHSEC, PLAIN])
def test_a_signature_is_taken_by_an_independent_library(secret: str) -> None:
    assert library(secret).verify(BODY, signed(secret)) == {
        "event": "deployment.completed",
        "version": "é",
    }


def test_while_a_secret_is_replaced_receivers_with_either_take_it() -> None:
    headers = signed(WHSEC, PLAIN)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (WHSEC, PLAIN):
        library(secret).verify(BODY, headers)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "whk_2"},
        {"webhook-timestamp": str(int(time.time()) - 5)},
        {"webhook-timestamp": "1"},
        {"webhook-signature": "v1,AAAA"},
    ],
)
def test_what_was_changed_is_not_taken(change: dict[str, str]) -> None:
    with pytest.raises(WebhookVerificationError):
        library(WHSEC).verify(BODY, {**signed(WHSEC), **change})


def test_another_body_or_another_secret_is_not_taken() -> None:
    for secret, body in ((WHSEC, BODY + b" "), ("whsec_" + "A" * 44, BODY)):
        with pytest.raises(WebhookVerificationError):
            library(secret).verify(body, signed(WHSEC))


def test_simple_receivers_check_the_body_with_the_newest_secret() -> None:
    wanted = hmac.new(PLAIN.encode(), BODY, hashlib.sha256).hexdigest()
    assert signed(PLAIN, WHSEC)["X-Fraisier-Signature"] == f"sha256={wanted}"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("tiny", "shorter than 24 bytes"),
        ("", "shorter than 24 bytes"),
        ("whsec_" + base64.b64encode(b"short").decode(), "shorter than 24 bytes"),
        ("whsec_not base64 at all, and long enough", "is not base64"),
        ("whsec_é" + "A" * 40, "is not base64"),
    ],
)
def test_a_secret_that_cannot_sign_well_is_refused_without_being_shown(
    secret: str, said: str
) -> None:
    with pytest.raises(UnfitSecret, match=said) as refused:
        key_of(secret)
    assert not secret or secret not in str(refused.value)
