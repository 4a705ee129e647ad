"""What a round does: which process dies where, and how its deployment is made for that."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fraisier.failpoints import NAMES

#: Beside the failpoints: the driver kills at an instant of its own, or makes the process stall.
INSTANTS = ("random", "tree")
STALL = "stop"
#: No kill at all: a deployment is cancelled, or the server of its database dies.
CANCEL, RESTART = "cancel", "restart"
#: What fails around Fraisier: the network, a host, its sshd, a database, a clock, a full disk.
PARTITION, REBOOT, SSHD = "partition", "reboot", "sshd"
DATABASE, CLOCK = "database", "clock"
FULL_HOST, FULL_RECORDS = "full-host", "full-records"
#: A worker is killed while a plan rolls over three hosts.
FLEET = "fleet"
AROUND = (PARTITION, REBOOT, SSHD, CLOCK, DATABASE, FULL_HOST, FULL_RECORDS)
#: After these a host may do what nobody can keep it from: it was not to be asked.
UNREACHABLE = (PARTITION, REBOOT, SSHD)
#: Where only some processes come by.
ASKING = ("request.before_commit", "request.after_commit")
CANCELLING = ("cancel.before_commit", "cancel.after_commit")
RECOVERING = (
    *("take_over.before_commit", "take_over.after_commit"),
    *("settle.before_probe", "settle.after_probe"),
)
#: At these nobody owns an attempt that a host knows; a kill there is judged and not counted.
EARLY = (
    *("claim.before_commit", "claim.after_commit", "take_over.before_commit"),
    *("finish.after_commit", *ASKING),
)
#: A recovering worker does not come by here, so it can be the next victim at once.
PAST_RECOVERY = ("claim.", "step.")


@dataclass(frozen=True)
class Job:
    """One kill: `how` is a failpoint, an instant or a stall; `passage` which passage of it.

    `victim`: the kind of process. `version`: the kind of version it is killed with. `standby`: a
    second worker lives already when the first one dies.
    """

    how: str
    victim: str = "worker"
    passage: int = 1
    version: str = "quick"
    standby: bool = False

    @property
    def failpoint(self) -> str | None:
        """Return what the victim is told, None where the driver acts."""
        return f"{self.how}:{self.passage}" if self.how in NAMES else None

    @property
    def ready_early(self) -> bool:
        """True where the worker that recovers before this job can be its victim."""
        armed = self.failpoint is None or self.how.startswith(PAST_RECOVERY)
        return self.victim == "worker" and armed

    def simpler(self) -> Job:
        """Return the same at the first passage: where a later one was never reached."""
        return replace(self, passage=1)


def one_of_each(chance: random.Random, times: int = 1) -> list[Job]:
    """Return every failpoint so many times, the driver's own faults and some cancels, mixed."""
    jobs = [_at(name, chance) for name in sorted(NAMES) * times]
    jobs += [_instant(how, victim, chance) for how, victim in _FEW * times]
    jobs += [Job(CANCEL, version="middle")] * 12
    chance.shuffle(jobs)
    return jobs


def endless(chance: random.Random) -> Iterator[Job]:
    """Return jobs for as long as they are wanted: what cannot count comes every third time."""
    turn = 0
    while True:
        jobs = [_at(n, chance) for n in sorted(NAMES) if n not in EARLY or turn % 3 == 0]
        jobs += [_instant(how, victim, chance) for how, victim in _MANY]
        chance.shuffle(jobs)
        yield from jobs
        turn += 1


def around(hows: tuple[str, ...], times: int, chance: random.Random) -> list[Job]:
    """Return each of some faults around Fraisier so many times, mixed."""
    jobs = [Job(how, version=_struck_version(how, chance)) for how in hows * times]
    chance.shuffle(jobs)
    return jobs


def _struck_version(how: str, chance: random.Random) -> str:
    """Return one that is checked when the host goes away, or one that builds for long enough."""
    return chance.choice(["middle", "bad"] if how in (*UNREACHABLE, FLEET) else ["middle", "slow"])


def cancels(chance: random.Random) -> Iterator[Job]:
    """Return deployments that are cancelled at any instant, for as long as they are wanted."""
    while True:
        yield Job(CANCEL, version=chance.choice(["middle", "slow"]))


_FEW = (
    ("random", "worker"), ("random", "machine"), ("random", "serve"), ("random", "command"),
    ("tree", "worker"), (STALL, "worker"),
)  # fmt: skip
_MANY = (
    *_FEW,
    ("random", "worker"),
    ("random", "worker"),
    ("random", "machine"),
    ("tree", "serve"),
)


def _at(name: str, chance: random.Random) -> Job:
    """Return a job for a failpoint, with what makes somebody come by there."""
    if name in ASKING:
        return Job(name, chance.choice(["serve", "command"]))
    if name in CANCELLING:
        return Job(name, "serve", version="slow")
    if name in RECOVERING:
        return Job(name, "worker", version="middle")
    if name.startswith("relay."):  # a server might die of it before it is asked for anything
        return Job(name, chance.choice(["worker", "machine", "command"]), chance.randint(1, 6))
    victim = chance.choice(["worker", "worker", "machine", "serve", "command"])
    match name:
        case "beat.before_commit":
            return Job(name, chance.choice(["worker", "machine"]), 7, "slow")
        case "record.before_commit" | "record.after_commit":
            return Job(name, victim, chance.randint(5, 10), "bad")
        case "step.before" | "runner.begun":
            return Job(name, victim, 2, "bad")
        case "step.after" | "runner.ended":
            return Job(name, victim, chance.choice([1, 2]), "bad")
    return Job(name, victim)


def _instant(how: str, victim: str, chance: random.Random) -> Job:
    version = chance.choice(["quick", "middle", "middle", "bad"])
    if how == STALL:
        return Job(how, victim, version="slow")
    return Job(how, victim, version=version, standby=chance.random() < 0.25)
