"""Fraisier in this process: the engine on its own records, without a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from fraisier.cli.control import Json, NoFeed, Watch, who
from fraisier.domain.audit import AuditFilter
from fraisier.domain.errors import ConfigurationError, FraisierError, LeaseLost, StoreError
from fraisier.domain.event import Event
from fraisier.domain.incoming import IncomingFilter, IncomingStatus
from fraisier.domain.plain_json import plain
from fraisier.domain.ports import Filter
from fraisier.domain.reach import Reach
from fraisier.domain.token import Scope, Token, lifetime
from fraisier.engine.deployments import Wish
from fraisier.engine.freezes import FreezeWish
from fraisier.engine.looks import Looks
from fraisier.engine.pushes import incoming_json
from fraisier.engine.tending import Where
from fraisier.engine.tokens import DAY
from fraisier.engine.trail import audit_page
from fraisier.engine.views import (
    deployment_json,
    event_json,
    provider_json,
    revoked_json,
    target_json,
    token_json,
)
from fraisier.wiring import Application


class LocalControl:
    """Answers from the catalogue and the records of one application, and works itself."""

    alone = True

    def __init__(self, application: Application) -> None:
        self._application = application

    def targets(self) -> list[Json]:
        """Return every configured target."""
        return [target_json(target) for target in self._application.catalogue.targets()]

    def status(self, fraise: str | None, environment: str | None) -> list[Json]:
        """Return what the records know of targets."""
        return self._looks.status(fraise, environment)

    def deployments(self, wanted: Filter) -> list[Json]:
        """Return deployments; what is asked for by name must be configured."""
        if wanted.fraise:
            self._looks.targets(wanted.fraise, wanted.environment)
        return self._looks.deployments(wanted)

    def deployment(self, deployment_id: str) -> Json:
        """Return one deployment with its hosts."""
        return self._looks.deployment(deployment_id)

    def events(self, deployment_id: str, after: int = 0) -> list[Json]:
        """Return a deployment's events after a sequence number."""
        return _told(self._application.store.events(deployment_id, after))

    def providers(self) -> list[Json]:
        """Return the providers found from this folder, with or without a configuration."""
        found = sorted(self._application.providers.values(), key=lambda provider: provider.name)
        return [provider_json(provider) for provider in found]

    def plan(self, wish: Wish) -> Json:
        """Look at the hosts in check mode."""
        return self._application.previews.deploy(wish)

    def deploy(self, wish: Wish) -> Json:
        """Record a request, while Ansible loads beside it."""
        self._prepare(wish)
        mine = self._application.member.id
        return deployment_json(self._application.deployments.deploy(wish, mine))

    def promote(self, wish: Wish, source: str) -> Json:
        """Record a request to promote, while Ansible loads beside it."""
        self._prepare(wish)
        mine = self._application.member.id
        return deployment_json(self._application.deployments.promote(wish, source, mine))

    def rollback(self, wish: Wish) -> Json:
        """Record a request to go back, while Ansible loads beside it."""
        self._prepare(wish)
        mine = self._application.member.id
        return deployment_json(self._application.deployments.rollback(wish, mine))

    def _prepare(self, wish: Wish) -> None:
        """Let Ansible begin to load for a target, as its hosts are reached."""
        target = self._application.catalogue.target(wish.fraise, wish.environment)
        self._application.runner.prepare(target.inventory, target.is_here)

    def cancel(self, deployment_id: str) -> Json:
        """Record the wish; the process that carries the deployment out sees it there."""
        return deployment_json(self._application.deployments.cancel(deployment_id, who()))

    def go_on(self, deployment_id: str) -> Json:
        """Record the wish; the process that carries the deployment out sees it there."""
        return deployment_json(self._application.deployments.resume(deployment_id, who()))

    def unlock(self, fraise: str, environment: str, reason: str) -> str:
        """Release a held target."""
        return self._application.deployments.unlock(fraise, environment, reason, who())

    def queue(self) -> Json:
        """Return the queue as the records have it."""
        return self._application.overview.queue()

    def pause(self, reason: str) -> Json:
        """Let nothing more begin, here or on any worker of these records."""
        return self._application.overview.pause(who(), reason)

    def resume(self) -> Json:
        """Let the queue go on."""
        return self._application.overview.resume(who())

    def freezes(self, over: bool) -> list[Json]:
        """Return the freezes of these records."""
        return self._application.freezes.all(over)

    def freeze(self, wish: FreezeWish) -> Json:
        """Let nothing begin on some targets, here or on any worker of these records."""
        return self._application.freezes.add(wish)

    def unfreeze(self, freeze_id: str) -> Json:
        """Lift a freeze."""
        return self._application.freezes.lift(freeze_id, who())

    def audit(self, wanted: AuditFilter) -> list[Json]:
        """Return who did what, newest first."""
        return audit_page(self._application.store, wanted)[0]

    def endpoints(self) -> list[Json]:
        """Return the receivers of the configuration, as the records know them."""
        return self._application.outgoing.endpoints()

    def test_endpoint(self, name: str) -> Json:
        """Send a test from this process."""
        return self._application.outgoing.test(name, who())

    def deliveries(self, name: str | None, status: str | None, limit: int) -> list[Json]:
        """Return what went out, newest first."""
        return self._application.outgoing.deliveries(name, status, limit)[0]

    def received(self, provider: str | None, status: str | None, limit: int) -> list[Json]:
        """Return what came in from git hosts, newest first."""
        which = None if status is None else IncomingStatus(status)
        wanted = IncomingFilter(provider, which, limit)
        return self._application.pushes.deliveries(wanted)[0]

    def receive_again(self, delivery_id: str) -> Json:
        """Request what a delivery deploys now; a server or worker carries it out."""
        return incoming_json(self._application.pushes.redeliver(delivery_id, who()))

    def redeliver(self, delivery_id: str) -> Json:
        """Record that something is due again; a server or worker sends it."""
        return self._application.outgoing.redeliver(delivery_id, who())

    def probe(self, where: Where) -> list[Json]:
        """Look at the hosts."""
        return self._application.tending.probe(where)

    def app_status(self, where: Where) -> list[Json]:
        """Ask the hosts."""
        return self._application.tending.status(where)

    def app_logs(
        self, where: Where, asked: Json, stop: Callable[[], bool], more: bool
    ) -> tuple[list[Json], Json]:
        """Ask the hosts; `more` keeps Ansible ready for the next time."""
        return self._application.tending.logs(where, asked, stop, more)

    def app_control(self, where: Where, verb: str, told: Callable[[Json], None]) -> Json:
        """Do it from this process."""
        return self._application.tending.control(where, verb, who(), told)

    def app_exec(self, where: Where, argv: Sequence[str], timeout: float) -> list[Json]:
        """Do it from this process."""
        return self._application.tending.execute(where, argv, timeout, who())

    def backups(self, where: Where) -> list[Json]:
        """Ask the hosts."""
        return self._application.tending.backups(where)

    def take_backup(self, where: Where) -> list[Json]:
        """Do it from this process."""
        return self._application.tending.take(where, who())

    def restore_backup(self, where: Where, backup_id: str) -> list[Json]:
        """Do it from this process."""
        return self._application.tending.restore(where, backup_id, who())

    def tokens(self) -> list[Json]:
        """Return every token in the records."""
        return [token_json(each) for each in self._application.tokens.all()]

    def create_token(self, name: str, scope: str, targets: Sequence[str], expires: str) -> Json:
        """Make a token for who may read the records, and so may make any."""
        lasts, reach = lifetime(expires), Reach.of(targets)
        days = None if lasts is None else lasts / DAY
        made = self._application.tokens.create(name, Scope(scope), days, who(), reach)
        return _with_secret(*made)

    def rotate_token(self, token_id: str, overlap: float) -> Json:
        """Give a token another secret."""
        return _with_secret(*self._application.tokens.rotate(token_id, overlap, who()))

    def revoke_token(self, token_id: str, made: bool = False) -> Json:
        """Make a token invalid; with `made` also those that it made."""
        if made:
            return revoked_json(*self._application.tokens.revoke_with_made(token_id, who()))
        return revoked_json(self._application.tokens.revoke(token_id, who()), [])

    def feed(self, deployment_id: str) -> NoFeed:
        """Bring nothing: the records are on this machine, and asking costs little."""
        return NoFeed()

    def carry_out(self, deployment_id: str, watch: Watch, stop: Callable[[], bool]) -> Json:
        """Do the work in this process; `stop()` cancels it.

        Raises StoreError or LeaseLost, with what to do about the deployment, where it is left.
        """
        application = self._application
        with application.wakeups(), application.telling(application.member):
            try:
                application.worker.carry_out(
                    application.store.deployment(deployment_id),
                    lambda events: watch.tell(_told(events)),
                    stop,
                    lambda waits: watch.waiting(waits.reason),
                )
            except (StoreError, LeaseLost) as error:
                raise _left(deployment_id, error, application.member.trouble) from error
        return self.deployment(deployment_id)

    @property
    def _looks(self) -> Looks:
        application = self._application
        return Looks(lambda: application.catalogue, application.store, self._recover)

    def _recover(self) -> None:
        """Settle what the dead left, where the configuration says how their hosts are reached."""
        with suppress(ConfigurationError):
            self._application.recovery()


def _with_secret(token: Token, secret: str) -> Json:
    return {**token_json(token), "token": secret}


def _left(deployment_id: str, error: FraisierError, trouble: str) -> FraisierError:
    """Return an error that the records caused with the deployment that it leaves, and what to do.

    `trouble`: why the lease could not be renewed. The next command that can write settles it.
    """
    why = dict.fromkeys(filter(None, (error.message, trouble)))
    look = f"then see what became of it: fraisier show {deployment_id}"
    return type(error)(
        f"{deployment_id} was left before its end was recorded: {'; '.join(why)}",
        f"{error.hint or 'let the database take changes again'}; {look}",
    )


def _told(events: Sequence[Event]) -> list[Json]:
    return [plain(event_json(event)) for event in events]
