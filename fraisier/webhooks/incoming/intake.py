"""The door for deliveries: who sends is verified first, then what is said is read and recorded."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from fraisier.domain.errors import ConfigurationError, NotFound, Unavailable
from fraisier.domain.incoming import Incoming
from fraisier.domain.push import GitHost
from fraisier.domain.secret import Secret, SecretReference
from fraisier.engine.pushes import Pushes
from fraisier.webhooks.incoming.hosts import HOSTS, Headers
from fraisier.webhooks.incoming.verifying import Secrets

#: For how long secrets are remembered, and that they could not be read: strangers must not make us
#: decrypt, or log, at every request.
REMEMBERED_SECONDS, REFUSED_SECONDS = 30.0, 5.0

#: Returns the value of a reference, or raises ConfigurationError, which does not hold it.
Resolve = Callable[[SecretReference], Secret]

log = logging.getLogger("fraisier.webhooks")


class Intake:
    """Takes the deliveries of the git hosts that are configured.

    `configured` is asked each time. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        configured: Mapping[str, GitHost],
        resolve: Resolve,
        pushes: Pushes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._configured = configured
        self._resolve = resolve
        self._pushes = pushes
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, GitHost, Secrets | None]] = {}

    def types(self, provider: str) -> tuple[str, ...]:
        """Return the content types that a git host sends; raise NotFound."""
        self._require(provider)
        return HOSTS[provider].types

    def take(self, provider: str, headers: Headers, content_type: str, body: bytes) -> Incoming:
        """Record a delivery and request what it deploys.

        Raises NotFound for a git host that is not configured, Unauthorized where the delivery is
        not proven, UsageError where it cannot be read, KeyReused, StoreError and Unavailable.
        """
        configured, host = self._require(provider), HOSTS[provider]
        secrets = self._secrets(provider, configured)
        host.prove(headers, content_type, body, secrets, self._clock())
        delivery_id, event = host.delivery_id(headers), host.event(headers)
        said = host.received(event, content_type, body)
        return self._pushes.receive(provider, delivery_id, body, said)

    def _require(self, provider: str) -> GitHost:
        if provider not in HOSTS:
            raise NotFound("no such git host is known", f"known: {', '.join(HOSTS)}")
        if provider not in self._configured:
            raise NotFound(
                f"webhooks of {provider} are not configured",
                f"write git: {{{provider}: {{webhook_secret: {{env: …}}}}}} in fraises.yaml",
            )
        return self._configured[provider]

    def _secrets(self, provider: str, configured: GitHost) -> Secrets:
        """Return what the references of a git host stand for, read lately; raise Unavailable."""
        with self._lock:
            until, of, found = self._known.get(provider, (float("-inf"), configured, None))
            if time.monotonic() >= until or of != configured:
                found = self._read(provider, configured)
                seconds = REFUSED_SECONDS if found is None else REMEMBERED_SECONDS
                self._known[provider] = (time.monotonic() + seconds, configured, found)
        if found is None:
            raise Unavailable(
                f"deliveries of {provider} cannot be verified now", "the server's log says why"
            )
        return found

    def _read(self, provider: str, configured: GitHost) -> Secrets | None:
        try:
            return Secrets(self._revealed(configured.secrets), self._revealed(configured.keys))
        except ConfigurationError as error:
            log.error("deliveries of %s cannot be verified: %s", provider, error.message)
            return None

    def _revealed(self, references: Sequence[SecretReference]) -> tuple[str, ...]:
        return tuple(self._resolve(each).reveal() for each in references)
