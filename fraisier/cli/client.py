"""Fraisier behind a server: every question becomes a request to the control API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fraisier.cli.client_services import RemoteServices
from fraisier.cli.control import Json, Watch, follow
from fraisier.cli.feed import ServerFeed
from fraisier.cli.paths import deployment as _deployment
from fraisier.cli.paths import endpoint as _endpoint
from fraisier.cli.paths import environment as _environment
from fraisier.cli.paths import fraise as _fraise
from fraisier.cli.paths import segment as _segment
from fraisier.cli.paths import token as _token
from fraisier.cli.problems import SIGN_IN
from fraisier.cli.shapes import many, one
from fraisier.cli.transport import Transport
from fraisier.config.settings import Settings
from fraisier.domain.audit import AuditFilter
from fraisier.domain.errors import FreezeNotFound, NotFound, Unauthorized
from fraisier.domain.ports import Filter
from fraisier.engine.deployments import Wish
from fraisier.engine.earlier import nothing_to_go_back_to
from fraisier.engine.freezes import FreezeWish
from fraisier.engine.views import timestamp

PAGE = 1000
#: A request may have to wait for a git server; a plan also for every host.
REQUEST_SECONDS = 120.0
PLAN_SECONDS = 900.0
#: A stream says every 15 seconds that it lives.
SILENT_SECONDS = 35.0


class RemoteControl(RemoteServices):
    """Answers from the control API of one server."""

    alone = False

    @classmethod
    def from_environment(cls, server: str) -> RemoteControl:
        """Return the client of a server, with the token of the environment."""
        token = Settings.from_environ().token
        if token is None:
            raise Unauthorized(f"there is no token for {server}", SIGN_IN)
        return cls(Transport(server, token))

    def targets(self) -> list[Json]:
        """Return every target that the server has configured."""
        return [target for fraise in self._fraises() for target in fraise["environments"]]

    def status(self, fraise: str | None, environment: str | None) -> list[Json]:
        """Return what targets run, as the server's records have it."""
        names = [fraise] if fraise else [found["name"] for found in self._fraises()]
        return [found for name in names for found in self._status(name, environment)]

    def deployments(self, wanted: Filter) -> list[Json]:
        """Return deployments; what is asked for by name must be configured."""
        if wanted.fraise:
            self._status(wanted.fraise, wanted.environment)
        answer = self._http.get(
            "/deployments",
            fraise=wanted.fraise,
            environment=wanted.environment,
            status=wanted.status,
            since=timestamp(wanted.since),
            limit=wanted.limit,
        )
        return many("deployments", answer)

    def deployment(self, deployment_id: str) -> Json:
        """Return one deployment with its hosts."""
        return one("details", self._http.get(_deployment(deployment_id)))

    def events(self, deployment_id: str, after: int = 0) -> list[Json]:
        """Return a deployment's events after a sequence number."""
        return list(self._events(f"{_deployment(deployment_id)}/events", after))

    def providers(self) -> list[Json]:
        """Return the providers that the server can use."""
        return many("providers", self._http.get("/providers", limit=PAGE))

    def plan(self, wish: Wish) -> Json:
        """Have the server look at the hosts in check mode."""
        body = {**_asked(wish), "dry_run": True}
        return one("plan", self._http.post("/deployments", body, seconds=PLAN_SECONDS))

    def deploy(self, wish: Wish) -> Json:
        """Request a deployment, once however often it must be sent."""
        return self._request("/deployments", _asked(wish), wish)

    def promote(self, wish: Wish, source: str) -> Json:
        """Request that what succeeded in an environment comes to a target."""
        target = _environment(wish.fraise, wish.environment)
        body = {
            "from": source,
            "reason": wish.reason or None,
            "strategy": wish.strategy,
            "break_glass": wish.break_glass,
            "force": wish.force,
            **({} if wish.backup else {"backup": False}),
        }
        path = f"{_fraise(wish.fraise)}/environments/{target}/promote"
        return self._request(path, body, wish)

    def rollback(self, wish: Wish) -> Json:
        """Request the way back from the newest deployment of a target."""
        last = self._status(wish.fraise, wish.environment)[0]["last_deployment"]
        if last is None:
            raise nothing_to_go_back_to(wish.fraise, wish.environment)
        body = {
            "to_version": wish.version,
            "reason": wish.reason or None,
            "strategy": wish.strategy,
            "force": wish.force,
        }
        return self._request(f"{_deployment(last['id'])}/rollback", body, wish)

    def cancel(self, deployment_id: str) -> Json:
        """Ask the server to stop a deployment."""
        path = f"{_deployment(deployment_id)}/cancel"
        return one("deployment", self._http.post(path, {}, seconds=REQUEST_SECONDS))

    def go_on(self, deployment_id: str) -> Json:
        """Ask the server to let a paused deployment go on."""
        path = f"{_deployment(deployment_id)}/resume"
        return one("deployment", self._http.post(path, {}, seconds=REQUEST_SECONDS))

    def unlock(self, fraise: str, environment: str, reason: str) -> str:
        """Release a held target."""
        path = f"{_fraise(fraise)}/environments/{_environment(fraise, environment)}/unlock"
        answer = self._http.post(path, {"reason": reason}, seconds=REQUEST_SECONDS)
        return str(one("unlocked", answer)["released"])

    def queue(self) -> Json:
        """Return the queue of the server and of all who work with it."""
        return one("queue", self._http.get("/queue"))

    def pause(self, reason: str) -> Json:
        """Let nothing more begin."""
        answer = self._http.post("/queue/pause", {"reason": reason}, seconds=REQUEST_SECONDS)
        return one("pause", answer)

    def resume(self) -> Json:
        """Let the queue go on."""
        return one("pause", self._http.post("/queue/resume", {}, seconds=REQUEST_SECONDS))

    def freezes(self, over: bool) -> list[Json]:
        """Return the freezes that the server knows."""
        asked = {"all": "true"} if over else {}
        return many("freezes", self._http.get("/freezes", limit=PAGE, **asked))

    def freeze(self, wish: FreezeWish) -> Json:
        """Let nothing begin on some targets."""
        body = {
            "fraise": wish.fraise,
            "environment": wish.environment,
            "reason": wish.reason,
            "from": timestamp(wish.starts_at),
            "until": timestamp(wish.ends_at),
        }
        return one("freeze", self._http.post("/freezes", body, seconds=REQUEST_SECONDS))

    def unfreeze(self, freeze_id: str) -> Json:
        """Lift a freeze."""
        missing = FreezeNotFound(f'no freeze "{freeze_id}"', "see: fraisier freezes")
        return one("freeze", self._http.delete(f"/freezes/{_segment(freeze_id, missing)}"))

    def audit(self, wanted: AuditFilter) -> list[Json]:
        """Return who did what, newest first."""
        asked = {**vars(wanted), "since": timestamp(wanted.since)}
        return many("audit", self._http.get("/audit", **asked))

    def endpoints(self) -> list[Json]:
        """Return the receivers that the server has configured."""
        return many("endpoints", self._http.get("/webhook-endpoints", limit=PAGE))

    def test_endpoint(self, name: str) -> Json:
        """Have the server send a test."""
        path = f"/webhook-endpoints/{_endpoint(name)}/test"
        return one("delivery", self._http.post(path, {}, seconds=REQUEST_SECONDS))

    def deliveries(self, name: str | None, status: str | None, limit: int) -> list[Json]:
        """Return what went out, newest first."""
        path = f"/{_endpoint(name)}" if name is not None else ""
        answer = self._http.get(f"/webhook-endpoints{path}/deliveries", status=status, limit=limit)
        return many("deliveries", answer)

    def received(self, provider: str | None, status: str | None, limit: int) -> list[Json]:
        """Return what came in from git hosts, newest first."""
        asked = {"provider": provider, "status": status, "limit": limit}
        return many("received", self._http.get("/webhooks/deliveries", **asked), "deliveries")

    def receive_again(self, delivery_id: str) -> Json:
        """Deal with something that came in once more."""
        missing = NotFound(f'no delivery "{delivery_id}" came in', "see: fraisier webhook received")
        path = f"/webhooks/deliveries/{_segment(delivery_id, missing)}/redeliver"
        return one("received", self._http.post(path, {}, seconds=REQUEST_SECONDS))

    def redeliver(self, delivery_id: str) -> Json:
        """Have the server send something again."""
        missing = NotFound(f'no delivery "{delivery_id}"', "see: fraisier webhook deliveries")
        path = f"/webhook-endpoints/deliveries/{_segment(delivery_id, missing)}/redeliver"
        return one("delivery", self._http.post(path, {}, seconds=REQUEST_SECONDS))

    def tokens(self) -> list[Json]:
        """Return every token of the server, page by page."""
        found: list[Json] = []
        while True:
            page = many("tokens", self._http.get("/auth/tokens", limit=PAGE, offset=len(found)))
            found += page
            if len(page) < PAGE:
                return found

    def create_token(self, name: str, scope: str, targets: Sequence[str], expires: str) -> Json:
        """Have the server make a token, for one that reaches as far."""
        body = {"name": name, "scope": scope, "targets": [*targets], "expires_in": expires}
        return one("secret", self._http.post("/auth/tokens", body, seconds=REQUEST_SECONDS))

    def rotate_token(self, token_id: str, overlap: float) -> Json:
        """Have the server give a token another secret."""
        path = f"{_token(token_id)}/rotate"
        return one("secret", self._http.post(path, {"overlap": overlap}, seconds=REQUEST_SECONDS))

    def revoke_token(self, token_id: str, made: bool = False) -> Json:
        """Make a token of the server invalid; with `made` also those that it made."""
        return one("token", self._http.delete(_token(token_id), made="true" if made else None))

    def feed(self, deployment_id: str) -> ServerFeed:
        """Return the server's stream of a deployment's events."""
        path = f"{_deployment(deployment_id)}/events"
        return ServerFeed(lambda after: self._http.stream(path, SILENT_SECONDS, after=after))

    def carry_out(self, deployment_id: str, watch: Watch, stop: Callable[[], bool]) -> Json:
        """Watch the server's worker; `stop()` ends the watching only."""
        return follow(self, deployment_id, watch, stop)

    def _request(self, path: str, body: Json, wish: Wish) -> Json:
        key = wish.idempotency_key or uuid.uuid4().hex
        return one("deployment", self._http.post(path, body, key=key, seconds=REQUEST_SECONDS))

    def _fraises(self) -> list[Json]:
        return many("fraises", self._http.get("/fraises", limit=PAGE))

    def _status(self, fraise: str, environment: str | None) -> list[Json]:
        chosen = _environment(fraise, environment) if environment else None
        path = f"{_fraise(fraise)}/status"
        return many("targets", self._http.get(path, environment=chosen))

    def _events(self, path: str, after: int) -> Iterator[Json]:
        while True:
            page = many("events", self._http.get(path, after=after, limit=PAGE))
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1]["sequence"]


def _asked(wish: Wish) -> dict[str, Any]:
    return {
        "fraise": wish.fraise,
        "environment": wish.environment,
        "version": wish.version,
        "strategy": wish.strategy,
        "health_check_delay": wish.health_check_delay,
        "break_glass": wish.break_glass,
        "force": wish.force,
        **({} if wish.backup else {"backup": False}),
    }
