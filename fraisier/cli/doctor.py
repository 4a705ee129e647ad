"""What stands in the way of a deployment, each with its fix."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click

from fraisier.cli.arguments import optional_target
from fraisier.cli.context import Context
from fraisier.cli.exposure import bind_exposure, writable_files
from fraisier.cli.host_readiness import CONTACT_SECONDS, host_readiness
from fraisier.cli.proxy_health import proxy_health
from fraisier.cli.push_routes import push_routes
from fraisier.domain.catalogue import Target
from fraisier.domain.errors import FraisierError
from fraisier.domain.ids import now
from fraisier.engine.hosts import Hosts
from fraisier.engine.membership import CLOCK_SECONDS
from fraisier.wiring import Application

PROGRAMS = {"git": "apt-get install git", "ssh": "apt-get install openssh-client"}
NATS_SECONDS = 5.0
#: So many targets are looked at side by side.
AT_ONCE = 4


@dataclass(frozen=True)
class Check:
    """One thing looked at: `fix` says what to do when it is not as it must be."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


@click.command()
@optional_target
@click.pass_obj
def doctor(context: Context, fraise: str | None, environment: str | None) -> None:
    """Check this machine, the configuration, the database and every host; say each fix."""
    checks = []
    for check in _checks(context.application, fraise, environment):
        checks.append(check)
        if not context.json:
            mark = context.style("✓", fg="green") if check.ok else context.style("✗", fg="red")
            fix = f"\n    {check.fix}" if check.fix and not check.ok else ""
            click.echo(context.fit(f"{mark} {check.name}: {check.detail}{fix}"))
    if context.json:
        context.emit({"checks": [vars(check) for check in checks]}, "")
    sys.exit(0 if all(check.ok for check in checks) else 1)


def _checks(
    application: Application, fraise: str | None, environment: str | None
) -> Iterator[Check]:
    yield from _machine()
    loaded = _attempt("configuration", lambda: application.catalogue.path)
    yield loaded
    if not loaded.ok:
        return
    yield from _exposure(application)
    database = _attempt("database", lambda: _database(application))
    yield database
    if database.ok:
        yield from _durability(application)
        yield _clock(application)
    if application.nats is not None:
        yield _nats(application)
    chosen = _chosen(application, fraise, environment)
    yield from _pushes(application, chosen, recorded=database.ok)
    if database.ok:
        yield from _targets(application, chosen)


def _chosen(
    application: Application, fraise: str | None, environment: str | None
) -> Sequence[Target]:
    catalogue = application.catalogue
    if fraise and environment:
        return [catalogue.target(fraise, environment)]
    return catalogue.fraise(fraise).in_order() if fraise else catalogue.targets()


def _machine() -> Iterator[Check]:
    for program, fix in PROGRAMS.items():
        found = shutil.which(program)
        yield Check(program, found is not None, found or "not found on PATH", fix)
    playbook = Path(sys.executable).parent / "ansible-playbook"
    fix = "install Fraisier with its dependencies: pip install fraisier"
    yield Check("ansible-playbook", playbook.exists(), str(playbook), fix)
    yield _containment()


def _containment() -> Check:
    """Say what ends the processes of a run; that there is a better way is no fault."""
    from fraisier.runner.mechanism import in_force, wanted_by

    try:
        found = in_force(wanted_by(os.environ))
    except (OSError, subprocess.SubprocessError) as error:
        return Check("processes of a run", False, f"it cannot be tried what ends them: {error}")
    better = f"; a PID namespace would hold them better: {found.fix}" if found.fix else ""
    why = f" ({found.why}{better})" if found.why else ""
    return Check("processes of a run", True, f"{found.name}{why}", found.fix)


def _database(application: Application) -> str:
    from fraisier.store.urls import shown

    application.store.installation()
    return shown(application.database_url)


def _durability(application: Application) -> Iterator[Check]:
    """Say which settings of the database may lose what was accepted."""
    from fraisier.store.status import look

    for warning in look(application.database_url, 1)["warnings"]:
        yield Check("database durability", False, warning, "see: fraisier db status")


def _exposure(application: Application) -> Iterator[Check]:
    """Say who else than this account could change what is deployed, or read the API's tokens."""
    files = writable_files(application.catalogue)
    for name, detail, fix in chain(bind_exposure(os.environ), files):
        yield Check(name, False, detail, fix)


def _clock(application: Application) -> Check:
    """Compare this machine's clock with the database's, by which all that is recorded is dated."""
    ahead = (now() - application.store.now()) / 1e6
    told = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the database's"
    fine = abs(ahead) <= CLOCK_SECONDS
    fix = "let NTP set both clocks: timedatectl set-ntp true"
    return Check("clock", fine, "as the database's" if fine else told, fix)


def _nats(application: Application) -> Check:
    """Try to connect; without NATS all goes on, a little later."""
    fix = "check FRAISIER_NATS_URL and the server; until then the queue is polled, events wait"
    deadline = time.monotonic() + NATS_SECONDS
    with application.wakeups():
        while not application.nats_answers and time.monotonic() < deadline:
            time.sleep(0.05)
        said, known = application.nats_trouble()
    told = ": ".join(filter(None, (said, known)))
    return Check("nats", not said, told or "it answers", fix)


def _pushes(application: Application, targets: Sequence[Target], recorded: bool) -> Iterator[Check]:
    """Say which git host's pushes deploy each target; without records, not which did before."""
    store = application.store if recorded else None
    for target in targets:
        for ok, detail, fix in push_routes(application.catalogue, store, target):
            yield Check(f"{target.fraise} {target.environment} pushes", ok, detail, fix)


def _targets(application: Application, targets: Sequence[Target]) -> Iterator[Check]:
    """Look at several targets side by side; yield in their order."""
    stop = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [pool.submit(_target, application, target, stop) for target in targets]
        try:
            for each in found:
                yield from each.result()
        finally:
            stop.set()


def _target(application: Application, target: Target, stop: threading.Event) -> list[Check]:
    name = f"{target.fraise} {target.environment}"
    resolve, secrets = application.repositories.resolve, application.secrets_of
    version = None
    checks = [_attempt(f"{name} secrets", lambda: secrets(target))]
    if application.catalogue.providers[target.provider].versions == "git":
        checks.insert(0, _attempt(f"{name} repository", lambda: resolve(target, None)))
        version = checks[0].detail if checks[0].ok else None
    try:
        whole = application.deployments.target(target.fraise, target.environment)
        return [*checks, *_hosts(application, whole, name, version, stop)]
    except FraisierError as error:
        return [*checks, Check(f"{name} hosts", False, error.message, error.hint)]


def _hosts(
    application: Application, target: Target, name: str, version: str | None, stop: threading.Event
) -> Iterator[Check]:
    hosts = Hosts(application.catalogue, application.store, application.new_runner())
    readiness = host_readiness(hosts, target, version, stop.is_set)
    proxies = proxy_health(hosts, target, CONTACT_SECONDS, stop.is_set)
    for what, ok, detail, fix in chain(readiness, proxies):
        yield Check(f"{name} {what}", ok, detail, fix)


def _attempt(name: str, action: Callable[[], object]) -> Check:
    try:
        return Check(name, True, str(action()))
    except FraisierError as error:
        return Check(name, False, error.message, error.hint)
