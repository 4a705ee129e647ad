"""The runner: one piece of work becomes one run of ansible-runner in a process of its own."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fraisier.domain.catalogue import InventoryGroup
from fraisier.domain.event import Fact
from fraisier.domain.outcome import Outcome
from fraisier.domain.plan import Work
from fraisier.domain.secret import Secret
from fraisier.failpoints import failpoint
from fraisier.runner.forking import warm_up
from fraisier.runner.invocation import invocation
from fraisier.runner.leash import LEASH_SECONDS, now
from fraisier.runner.mechanism import SUBREAPER, wanted_by
from fraisier.runner.process import Process
from fraisier.runner.redaction import Redactor
from fraisier.runner.translation import Translation

Resolver = Callable[[Mapping[str, Any], bool], Mapping[str, Secret]]


class AnsibleRunner:
    """Runs playbooks. `resolve` turns references into secrets, as late as that can be.

    Its second argument says whether each must have a value. A run ends itself when the thread that
    runs it has not looked after it for `leash` seconds, and at the moment that `until()` gives
    (CLOCK_BOOTTIME), where there is one, unless it gives a later one before. `warm`: this process
    will run Ansible again and again, so it is loaded once, in a process that each run is a fork of.
    """

    def __init__(
        self,
        resolve: Resolver,
        environ: Mapping[str, str] = os.environ,
        leash: float = LEASH_SECONDS,
        until: Callable[[], float] = lambda: math.inf,
        warm: bool = False,
    ) -> None:
        self._resolve = resolve
        self._environ = environ
        self._leash = leash
        self._until = until
        self._warm = warm
        self._prepared: Process | None = None

    def prepare(self, inventory: InventoryGroup | None = None, here: bool = False) -> None:
        """Start the process of the next run now, so that it loads while other things are done.

        `here`: one of its hosts is this very machine, which must then be seen as it is: no
        namespace hides its processes, and sudo works.
        """
        path = inventory.inventory if inventory else None
        mechanism = SUBREAPER if here else wanted_by(self._environ)
        found = self._prepared
        if found is not None and (found.inventory, found.mechanism) != (path, mechanism):
            self.close()
        if self._prepared is None:
            if self._warm:
                with contextlib.suppress(OSError):  # what stands against it is told just below
                    warm_up(self._environ)
            self._prepared = Process.start(self._environ, path, mechanism)
            atexit.register(self.close)

    def close(self) -> None:
        """End a prepared process that no run has used; the runner can go on to be used."""
        prepared = self._take()
        if prepared is not None:
            prepared.end()

    def _take(self) -> Process | None:
        """Return the prepared process, which is then the caller's to end."""
        atexit.unregister(self.close)
        prepared, self._prepared = self._prepared, None
        return prepared

    def run(
        self,
        work: Work,
        on_facts: Callable[[Sequence[Fact]], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Run the work to its end, or end it when cancelled or out of time.

        Raises ConfigurationError or RunnerError only while nothing has run yet; after that, what
        goes wrong is told by the outcome.
        """
        secrets = self._resolve(work.secrets, work.secrets_required)
        redactor = Redactor(secrets.values())
        translation = Translation(work)
        missing = sorted(set(work.secrets) - set(secrets))
        if missing:
            text = f"these secrets have no value here, so no check can use them: {missing}"
            on_facts([Fact("log.line", None, {"step": "secrets", "text": text})])
        here = any(host.connection == "local" for host in work.hosts)
        self.prepare(work.inventory, here)
        process = self._take()
        assert process is not None
        try:
            process.watch(self._may_go_on())  # a pause from here on ends it
            if cancelled():
                process.ended = "cancelled"
            else:
                process.begin(invocation(work, secrets, process.folder))
                failpoint("runner.begun")
                if work.more:
                    self.prepare(work.inventory, here)
            for events in process.events(work.timeout, cancelled, self._may_go_on):
                told = [fact for e in events for fact in translation.facts(redactor.data(e))]
                if told:
                    on_facts(told)
            why = process.why_broken()
        finally:
            process.end()
            failpoint("runner.ended")
        return translation.outcome(process.ended, redactor.text(why))

    def _may_go_on(self) -> float:
        return min(now() + self._leash, self._until())
