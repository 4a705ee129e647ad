"""The git hosts that may send deliveries: how each proves itself, and how its payloads are read.

Which host it is the route says, never a header: Gitea sends GitHub's headers too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from fraisier.domain import plain_json
from fraisier.domain.errors import Unauthorized, UsageError
from fraisier.domain.push import Received
from fraisier.webhooks.incoming import payloads
from fraisier.webhooks.incoming.verifying import (
    Headers,
    Secrets,
    Verify,
    signed_in,
    token_or_standard,
)

__all__ = ["HOSTS", "JSON", "Headers", "Host"]

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LONGEST_ID = 200


@dataclass(frozen=True)
class Host:
    """A git host. `ids` and `events` name the headers that say them, the first that is there.

    `may_push` tells by the event and the body whether a delivery can be about a push: only then is
    the payload read. `signs_field`: of a form it signs the JSON in `payload`, not the body.
    """

    name: str
    verify: Verify
    read: Callable[[str, Any], Received]
    ids: tuple[str, ...]
    events: tuple[str, ...]
    may_push: Callable[[str, bytes], bool]
    types: tuple[str, ...] = (JSON,)
    signs_field: bool = False

    def prove(
        self, headers: Headers, content_type: str, body: bytes, secrets: Secrets, now: float
    ) -> None:
        """Raise Unauthorized where neither the body nor, of a form, what is in it was signed."""
        try:
            self.verify(headers, body, secrets, now)
        except Unauthorized:
            if not self.signs_field or content_type != FORM:
                raise
            self.verify(headers, _field_or_body(body), secrets, now)

    def received(self, event: str, content_type: str, body: bytes) -> Received:
        """Return what a verified delivery says; raise UsageError. It reads pushes only."""
        wanted = self.may_push(event, body)
        return self.read(event, self.data(content_type, body) if wanted else None)

    def delivery_id(self, headers: Headers) -> str:
        """Return the id that is the same however often a delivery is sent; raise UsageError."""
        return self._named(headers, self.ids, "nothing tells it from others")

    def event(self, headers: Headers) -> str:
        """Return what a delivery is about, in the host's word; raise UsageError."""
        return self._named(headers, self.events, "nothing says what it is about")

    def data(self, content_type: str, body: bytes) -> Any:
        """Return the payload in a body that was verified; raise UsageError."""
        try:
            return plain_json.loads(_field(body) if content_type == FORM else body)
        except ValueError as error:
            raise UsageError(f"the payload cannot be read: {error}", f"send {JSON}") from None

    def _named(self, headers: Headers, names: tuple[str, ...], lacking: str) -> str:
        found = next(filter(None, (headers.get(name, "") for name in names)), "")
        if not found or len(found) > LONGEST_ID or not (found.isascii() and found.isprintable()):
            raise UsageError(f"the delivery has no {names[0]} that is right: {lacking}")
        return found


def _field_or_body(body: bytes) -> bytes:
    """Return what is signed of a form; the body where it cannot be read, to be refused as such."""
    try:
        return _field(body)
    except ValueError:
        return body


def _field(body: bytes) -> bytes:
    """Return the field `payload` of a form; raise ValueError."""
    found = parse_qs(body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=8)
    if len(found.get("payload", ())) != 1:
        raise ValueError("its form has not one field `payload`")
    return found["payload"][0].encode()


HOSTS: Mapping[str, Host] = {
    host.name: host
    for host in (
        Host(
            "github",
            signed_in("X-Hub-Signature-256", "sha256="),
            payloads.github,
            ("X-GitHub-Delivery",),
            ("X-GitHub-Event",),
            payloads.pushes_of("push"),
            (JSON, FORM),
        ),
        Host(
            "gitlab",
            token_or_standard,
            payloads.gitlab,
            ("webhook-id", "Idempotency-Key", "X-Gitlab-Event-UUID"),
            ("X-Gitlab-Event",),
            payloads.may_push_of_gitlab,
        ),
        Host(
            "gitea",
            signed_in("X-Gitea-Signature"),
            payloads.gitea,
            ("X-Gitea-Delivery",),
            ("X-Gitea-Event",),
            payloads.pushes_of("push"),
            (JSON, FORM),
            signs_field=True,
        ),
        Host(
            "forgejo",
            signed_in("X-Forgejo-Signature"),
            payloads.gitea,
            ("X-Forgejo-Delivery",),
            ("X-Forgejo-Event",),
            payloads.pushes_of("push"),
            (JSON, FORM),
            signs_field=True,
        ),
        Host(
            "gogs",
            signed_in("X-Gogs-Signature"),
            payloads.gogs,
            ("X-Gogs-Delivery",),
            ("X-Gogs-Event",),
            payloads.pushes_of("push"),
            (JSON, FORM),
            signs_field=True,
        ),
        Host(
            "bitbucket",
            signed_in("X-Hub-Signature", "sha256="),
            payloads.bitbucket,
            ("X-Request-UUID", "X-Request-Id"),
            ("X-Event-Key",),
            payloads.pushes_of("repo:push", "repo:refs_changed"),
        ),
    )
}
