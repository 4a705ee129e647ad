"""Hosts: their keys shown and pinned, and what really runs on them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fraisier.cli.arguments import target_arguments
from fraisier.cli.context import Context, table
from fraisier.cli.control import who
from fraisier.cli.exits import FAILED, GENERAL, REFUSED
from fraisier.cli.harmless import harmless
from fraisier.cli.present import short
from fraisier.domain.catalogue import Host, Target
from fraisier.domain.errors import FraisierError, Refused
from fraisier.engine.tending import Where

if TYPE_CHECKING:
    from fraisier.host_keys import Key, KnownHosts

AT_ONCE = 16

Json = dict[str, Any]


@click.group()
def hosts() -> None:
    """Pin the keys of hosts, and see what really runs on them."""


# --- trust --------------------------------------------------------------------------------


QUESTION = "Are these the fingerprints that the hosts themselves show?"


@dataclass(frozen=True)
class Shown:
    """What a host showed: keys that are `pinned`, `new`, or not what is pinned (`changed`)."""

    host: Host
    known: KnownHosts
    pinned: Sequence[Key] = ()
    new: Sequence[Key] = ()
    changed: Sequence[Key] = ()
    expected: Sequence[Key] = ()
    error: FraisierError | None = None

    def as_json(self, added: Sequence[Key]) -> Json:
        """Return it as plain data."""
        states = [("pinned", self.pinned), ("new", self.new), ("changed", self.changed)]
        return {
            "host": self.host.name,
            "address": self.host.address,
            "port": self.host.port,
            "known_hosts": str(self.known.path),
            "keys": [
                {**_key(key), "state": "added" if key in added else state}
                for state, keys in states
                for key in keys
            ],
            "expected": [_key(key) for key in self.expected] if self.changed else [],
            "error": self.error.message if self.error else None,
        }


@hosts.command()
@target_arguments
@click.option("-y", "--yes", is_flag=True, help="Pin what is shown without asking.")
@click.option("--fingerprint", "fingerprints", multiple=True, metavar="SHA256:…",
              help="Pin only a key with this fingerprint, without asking; repeatable.")  # fmt: skip
@click.pass_obj
def trust(
    context: Context, fraise: str, environment: str, yes: bool, fingerprints: tuple[str, ...]
) -> None:
    """Show the SSH keys of the hosts, and pin those that you accept.

    A key that is not the pinned one is never replaced.
    """
    target = context.application.catalogue.target(fraise, environment)
    reached = [host for host in _scannable(target) if host.connection == "ssh"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(_look, reached))
    for shown in found:
        context.say(_shown_text(shown))
    accepted = {shown.host.name: _accepted(shown, fingerprints) for shown in found}
    if any(accepted.values()) and not (yes or fingerprints):
        _ask()
    for shown in found:
        if accepted[shown.host.name]:
            keys = ", ".join(key.fingerprint for key in accepted[shown.host.name])
            where = Where(fraise, environment, shown.host.name)
            context.application.store.add_audit(who(), "hosts.trust", str(where), keys)
            shown.known.add(shown.host, accepted[shown.host.name])
    data = [shown.as_json(accepted[shown.host.name]) for shown in found]
    context.emit({"hosts": data}, _trust_summary(found, accepted))
    sys.exit(_trust_code(found, accepted, fingerprints))


def _scannable(target: Target) -> tuple[Host, ...]:
    if target.inventory is None:
        return target.hosts
    raise Refused(
        f"how to reach these hosts, jump hosts and all, is said by {target.inventory.inventory}",
        "log in to each once as that inventory does, compare the fingerprint, and let ssh pin it",
    )


def _look(host: Host) -> Shown:
    """Ask a host for its keys and compare them with those that are pinned."""
    from fraisier.host_keys import HostKeyError, KnownHosts, scan

    known = KnownHosts(Path(host.known_hosts or "~/.ssh/known_hosts").expanduser())
    try:
        keys, pinned, revoked = scan(host), known.pinned(host), known.revoked(host)
    except HostKeyError as error:
        return Shown(host, known, error=error)
    same = [key for key in keys if key in pinned]
    types = {key.type for key in pinned}
    others = [key for key in keys if key not in pinned]
    strange = bool(pinned) and not same
    changed = [key for key in others if strange or key.type in types or key in revoked]
    new = [key for key in others if key not in changed]
    return Shown(host, known, same, [] if changed else new, changed, pinned)


def _accepted(shown: Shown, fingerprints: Sequence[str]) -> list[Key]:
    if shown.changed:
        return []
    return [key for key in shown.new if not fingerprints or key.fingerprint in fingerprints]


def _ask() -> None:
    if not sys.stdin.isatty():
        raise Refused(
            "there is nobody to ask whether these keys are the hosts' own",
            "compare the fingerprints, then say --fingerprint SHA256:…, or --yes",
        )
    if not click.confirm(QUESTION, err=True):
        raise Refused("nothing was pinned")


def _shown_text(shown: Shown) -> str:
    name = f"{shown.host.name} ({shown.known.path})"
    if shown.error:
        return f"{name}: {shown.error}"
    lines = [f"{name}:"]
    lines += [f"  {key.type} {key.fingerprint}  pinned already" for key in shown.pinned]
    lines += [f"  {key.type} {key.fingerprint}  new" for key in shown.new]
    lines += [f"  {key.type} {key.fingerprint}  NOT THE PINNED ONE" for key in shown.changed]
    if shown.changed:
        lines += [f"  {key.type} {key.fingerprint}  is what is pinned" for key in shown.expected]
        lines.append(
            "  find out why, on the host itself; if it was installed again, remove the old key:\n"
            f"  ssh-keygen -R '{_pin_name(shown.host)}' -f '{shown.known.path}'"
        )
    return "\n".join(lines)


def _pin_name(host: Host) -> str:
    from fraisier.host_keys import pin_name

    return pin_name(host)


def _trust_summary(found: Sequence[Shown], accepted: Mapping[str, Sequence[Key]]) -> str:
    return "\n".join(f"{s.host.name}: {_pinned(s, accepted[s.host.name])}" for s in found)


def _pinned(shown: Shown, added: Sequence[Key]) -> str:
    if added:
        return f"{len(added)} key{'s'[: len(added) != 1]} pinned"
    if shown.new and not shown.pinned:
        return "nothing pinned, no key has such a fingerprint"
    return "nothing pinned" if shown.changed or shown.error else "pinned already"


def _trust_code(
    found: Sequence[Shown], accepted: Mapping[str, Sequence[Key]], fingerprints: Sequence[str]
) -> int:
    unmatched = [s for s in found if s.new and not s.pinned and not accepted[s.host.name]]
    if any(shown.changed for shown in found) or (fingerprints and unmatched):
        return REFUSED
    return GENERAL if any(shown.error for shown in found) else 0


def _key(key: Key) -> Json:
    return {"type": key.type, "fingerprint": key.fingerprint}


# --- probe --------------------------------------------------------------------------------


@hosts.command()
@target_arguments
@click.pass_obj
def probe(context: Context, fraise: str, environment: str) -> None:
    """Show what really runs on each host, and where that is not what the records say."""
    found = context.control.probe(Where(fraise, environment))
    context.emit({"hosts": found}, _probe_text(found))
    silent = any(host["error"] for host in found)
    differs = any(host["differs"] for host in found)
    sys.exit(GENERAL if silent else FAILED if differs else 0)


def _probe_text(found: Sequence[Json]) -> str:
    columns = ("host", "release", "version", "unit", "pid", "fence", "leftover", "")
    lines = [table([_probe_row(host) for host in found], columns)]
    for host in found:
        lines += [f"{host['host']}: {sentence}" for sentence in host["differs"]]
        if host["error"]:
            message, hint = harmless(host["error"]["message"]), host["error"].get("hint", "")
            lines.append(f"{host['host']}: {message}\n  {hint}")
    return "\n".join(lines)


def _probe_row(host: Json) -> Json:
    if host["error"]:
        return {"host": host["host"], "unit": host["error"]["code"], "": "?"}
    release, unit, fence = host.get("release") or {}, host.get("unit") or {}, host.get("fence")
    holder = fence if isinstance(fence, Mapping) else {}
    free = "free" if not holder or holder.get("released") else holder.get("deployment") or "taken"
    return {
        "host": host["host"],
        "release": release.get("id") or "-",
        "version": short(release.get("version") or "-"),
        "unit": unit.get("active_state", "-"),
        "pid": unit.get("main_pid") or "-",
        "fence": free,
        "leftover": "a run" if holder.get("running") else "-",
        "": "differs" if host["differs"] else "",
    }
