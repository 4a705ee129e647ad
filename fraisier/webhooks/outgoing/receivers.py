"""The receivers of deliveries, one kind each: a signed webhook, a chat, people by email."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fraisier import __version__
from fraisier.domain.delivery import CHATS, EMAIL, WEBHOOK, Delivery, Endpoint
from fraisier.domain.errors import ConfigurationError
from fraisier.domain.secret import Secret, SecretReference
from fraisier.webhooks.outgoing.cutoff import Cutoff
from fraisier.webhooks.outgoing.door import Door
from fraisier.webhooks.outgoing.mail import hand_in
from fraisier.webhooks.outgoing.posting import Answer, post
from fraisier.webhooks.outgoing.signing import UnfitSecret, key_of, signature_headers

#: Returns the value of a reference, or raises ConfigurationError, which does not hold it.
Resolve = Callable[[SecretReference], Secret]

HEADERS = {"Content-Type": "application/json", "User-Agent": f"fraisier/{__version__}"}

log = logging.getLogger("fraisier.webhooks")


class Receiver(Protocol):
    """Takes deliveries for one endpoint."""

    def send(self, delivery: Delivery, at: int, cutoff: Cutoff) -> Answer:
        """Try once, at a moment (UTC microseconds), and return what came of it; never raise."""


def receivers_of(
    endpoints: Sequence[Endpoint], resolve: Resolve, door: Door
) -> Mapping[str, Receiver]:
    """Return what sends to each endpoint, by its id. Nothing is resolved or opened yet."""
    return {each.id: _KINDS[each.kind](each, resolve, door) for each in endpoints}


@dataclass(frozen=True)
class _Receiver:
    endpoint: Endpoint
    resolve: Resolve
    door: Door

    def send(self, delivery: Delivery, at: int, cutoff: Cutoff) -> Answer:
        try:
            return self.attempt(delivery, at, cutoff)
        except ConfigurationError as error:
            return Answer(None, "; ".join(problem.message for problem in error.problems))
        except UnfitSecret as error:
            return Answer(None, str(error))
        except Exception as error:  # what cannot be sent is tried by the schedule, and given up
            log.exception("%s to %s could not be sent", delivery.id, delivery.endpoint)
            return Answer(None, f"it could not be sent ({type(error).__name__}); the log says more")

    def attempt(self, delivery: Delivery, at: int, cutoff: Cutoff) -> Answer:
        """Send, with what references stand for now."""
        raise NotImplementedError

    def url(self) -> str:
        given = self.endpoint.url
        return given if isinstance(given, str) else self.resolve(given).reveal()


class _Webhook(_Receiver):
    """A signed POST; every secret that is configured signs it."""

    def attempt(self, delivery: Delivery, at: int, cutoff: Cutoff) -> Answer:
        keys = [key_of(self.resolve(each).reveal()) for each in self.endpoint.secrets]
        body = delivery.body.encode()
        signed = signature_headers(delivery.id, at // 1_000_000, body, keys)
        return post(self.url(), body, {**HEADERS, **signed}, self.door, cutoff)


class _Chat(_Receiver):
    """A POST to a URL that is a secret itself."""

    def attempt(self, delivery: Delivery, at: int, cutoff: Cutoff) -> Answer:
        return post(self.url(), delivery.body.encode(), HEADERS, self.door, cutoff)


class _Mail(_Receiver):
    """An email."""

    def attempt(self, delivery: Delivery, at: int, cutoff: Cutoff) -> Answer:
        return hand_in(self.url(), self.endpoint, delivery, at, self.door, cutoff)


_KINDS: Mapping[str, type[_Receiver]] = {
    WEBHOOK: _Webhook,
    **dict.fromkeys(CHATS, _Chat),
    EMAIL: _Mail,
}
