"""One deployment that is struck once or more, to its end; and the evidence of each strike."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from chaos.evidence import end_of
from chaos.faults import FAULTS, Fault
from chaos.jobs import (
    ASKING,
    CANCEL,
    CANCELLING,
    CLOCK,
    FLEET,
    RECOVERING,
    RESTART,
    STALL,
    UNREACHABLE,
    Job,
)
from chaos.scene import Scene
from chaos.target import ASKER
from chaos.victims import Victim
from fraisier.domain.errors import Refused

#: How long after a host knew it an attempt is struck at most, by the kind of version.
FLEET_SECONDS = 14.0
SPAN_SECONDS = {"quick": 1.2, "middle": 2.4, "bad": 6.0, "slow": 7.0}
#: How long a deployment may take that a fault struck: a host may be away for more than a minute.
FAULT_SECONDS = 300.0
FOR_EVER = 1 << 60


class Cycle(Scene):
    """Carries one job out on a target. `window`: when its deployment could do anything."""

    window: tuple[int, int] = (0, 0)
    _seen_end = 0

    def run(self) -> list[dict[str, Any]]:
        """Strike, let recover, and return a line of evidence for each strike; none if it missed."""
        self._begun = time.time_ns() // 1000
        match self._job.how:
            case how if how in ASKING:
                self._strike_the_request()
            case how if how in CANCELLING:
                self._strike_the_cancel()
            case how if how in RECOVERING:
                self._strike_twice()
            case how if how == STALL:
                self._stall()
            case how if how == CANCEL:
                self._cancel()
            case how if how == RESTART:
                self._restart_the_database()
            case how if how in FAULTS:
                self._suffer(FAULTS[how])
            case _:
                self._strike_the_work()
        self._seen_end = time.time_ns() // 1000
        lines = self._evidence()
        self.window = self._begun, FOR_EVER if self._unreachable(lines) else self._seen_end
        self._target.unlock()
        return lines

    # --- what is struck -------------------------------------------------------------------

    def _strike_the_work(self) -> None:
        victim = self._begin(self._job)
        if self._job.failpoint is None:
            self._kill_at_an_instant(victim)
        else:
            self._await_death(victim)
        self._recover()

    def _strike_the_request(self) -> None:
        victim = self._begin(self._job, named=False)
        self._until(lambda: not victim.alive)
        found = self._target.records.with_key(self._key)
        self._id = found[0] if found else None
        self._note(victim, None)
        again = self._start(Job("again", self._job.victim))
        self._hand_over(again)
        self._until(lambda: bool(self._target.records.with_key(self._key)))
        self._id = self._target.records.with_key(self._key)[0]
        self._until(lambda: self._ended or not again.alive)
        again.close()
        self._recover()

    def _strike_the_cancel(self) -> None:
        victim = self._begin(self._job)
        self._until(self._on_a_host)
        time.sleep(self._chance.uniform(0.5, 3.0))
        before = self._owned_by(victim)
        victim.post(self._secret, f"/deployments/{self._id}/cancel")
        self._until(lambda: not victim.alive, 20)
        self._note(victim, before)
        self._recover()

    def _strike_twice(self) -> None:
        first = self._begin(Job("random", self._job.victim, version=self._job.version))
        self._kill_at_an_instant(first)
        if not self._strikes:
            self._recover()
            return
        second = self._start(self._job)
        self._await_death(second)
        self._recover()

    def _stall(self) -> None:
        victim = self._begin(self._job)
        self._until(self._on_a_host)
        time.sleep(self._chance.uniform(0.5, 3.0))
        before = self._owned_by(victim)
        victim.stop()
        victim.died_at = time.time_ns() // 1000
        self._strikes.append(self._seen(victim, before))
        self._recover()
        victim.resume()
        time.sleep(4)
        victim.kill()

    def _cancel(self) -> None:
        """Cancel at an instant of the build; where the deployment was faster, nothing is noted."""
        self.worker = victim = self._begin(self._job)
        self._until(lambda: self._builds or self._ended)
        time.sleep(self._chance.uniform(0, SPAN_SECONDS[self._job.version]))
        before, victim.died_at = self._owned_by(victim), time.time_ns() // 1000
        with suppress(Refused):
            assert self._id is not None
            self._target.deployments.cancel(self._id, ASKER)
            self._until(lambda: self._ended)
            self._strikes.append(self._seen(victim, before))
        victim.died_at = None
        self._until(lambda: self._ended)

    def _restart_the_database(self) -> None:
        """Kill the database's server while an attempt is on a host, and start it again."""
        victim = self._begin(self._job)
        self._until(self._on_a_host)
        before, victim.died_at = self._owned_by(victim), time.time_ns() // 1000
        assert self._target.server is not None
        self._target.server.kill()
        self._target.server.start()
        self._strikes.append(self._seen(victim, before))
        victim.died_at = None
        self.worker = victim
        self._until(lambda: self._ended)

    def _suffer(self, fault: Fault) -> None:
        """Let a fault strike while an attempt is on a host; note nothing if it came too late."""
        self.worker = victim = self._begin(self._job)
        after = self._job.how in UNREACHABLE
        self._until(lambda: self._switched if after else self._on_a_host())
        time.sleep(self._chance.uniform(0, 1.0 if after else SPAN_SECONDS[self._job.version]))
        before, victim.died_at = self._owned_by(victim), time.time_ns() // 1000
        if not self._ended:
            self._strikes.append(self._seen(victim, before))
            victim.died_at = None
            fault(self._target, self._chance)
        victim.died_at = None
        self._recover(FAULT_SECONDS)

    # --- deaths ---------------------------------------------------------------------------

    def _kill_at_an_instant(self, victim: Victim) -> None:
        self._until(lambda: self._owned_by(victim) is not None or self._ended)
        if self._job.standby:
            self._recoverer()
        self._until(self._on_a_host)
        fleet = self._job.how == FLEET
        span = FLEET_SECONDS if fleet else SPAN_SECONDS[self._job.version]
        time.sleep(self._chance.uniform(0, span))
        before = self._owned_by(victim)
        if self._ended or before is None:
            victim.close()
            return
        (victim.kill_tree if self._job.how == "tree" else victim.kill)()
        self._note(victim, before)

    def _await_death(self, victim: Victim) -> None:
        self._until(lambda: self._died_or_missed(victim))
        if victim.killed:
            self._note(victim, None)
        else:
            victim.close()

    def _died_or_missed(self, victim: Victim) -> bool:
        if not victim.alive:
            return True
        if not self._ended:
            return False
        time.sleep(1.0)
        return True

    def _unreachable(self, lines: list[dict[str, Any]]) -> bool:
        """True where a host could not be asked to do no more."""
        return self._job.how in UNREACHABLE and any(
            not told["known"] for line in lines for told in line["end"]["placements"].values()
        )

    def _evidence(self) -> list[dict[str, Any]]:
        seen = self._seen_end if self._job.how == CLOCK else None
        end = end_of(self._target, self._id, self._key, self.version, self._most_live, seen)
        last = len(self._strikes) - 1
        return [
            strike.line(self._target, self._id, end, number == last)
            for number, strike in enumerate(self._strikes)
        ]
