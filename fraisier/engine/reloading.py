"""The configuration is read again when its files change, or when somebody says so."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.errors import ConfigurationError
from fraisier.engine.current import CurrentCatalogue

#: How often it is looked whether a file has changed, in seconds.
LOOK_SECONDS = 2.0

log = logging.getLogger("fraisier.configuration")


class Reloading:
    """Keeps a catalogue as its files say, as long as the block of `following` runs.

    `load` reads the files or raises ConfigurationError; `seen` returns what differs once one of
    them has changed. A change is read when two looks saw the same, so that nothing half-written is;
    after `ask` at once. What cannot be used leaves the earlier configuration in force.
    """

    def __init__(
        self,
        current: CurrentCatalogue,
        load: Callable[[], Catalogue],
        seen: Callable[[], object],
        every: float = LOOK_SECONDS,
    ) -> None:
        self.current = current
        self._load = load
        self._seen = seen
        self._every = every
        self._read: object = None
        self._before: object = None
        self._asked = threading.Event()
        self._over = False
        #: Why the files as they are now cannot be used; empty while they are in force.
        self.trouble = ""

    @property
    def digest(self) -> str:
        """Return the identity of the configuration that is in force."""
        return self.current.digest

    def ask(self) -> None:
        """Have the files read now, whether they have changed or not."""
        self._asked.set()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Look at the files until the block ends."""
        thread = threading.Thread(target=self._run, name="configuration", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over = True
            self._asked.set()
            thread.join(self._every)

    def look(self) -> None:
        """Look once; read what has changed and is at rest."""
        found = self._seen()
        if found != self._read and found == self._before:
            self.read()
        self._before = found

    def read(self) -> None:
        """Read the files, and let what they say hold where it can be used."""
        before, found, trouble = self._seen(), self.current.now, ""
        try:
            found = self._load()
        except ConfigurationError as error:
            trouble = str(error)
        if self._seen() != before:  # somebody is writing: a later look reads it
            return
        self._read = before
        self._refuse(trouble) if trouble else self._accept(found)

    def _accept(self, found: Catalogue) -> None:
        if found.digest != self.current.digest:
            log.info("the configuration is %s now, it was %s", found.digest, self.current.digest)
            self.current.take(found)
        elif self.trouble:
            log.info("the configuration can be used again; it is %s", found.digest)
        self.trouble = ""

    def _refuse(self, why: str) -> None:
        """Say once what is wrong, with every problem."""
        if why != self.trouble:
            log.error("the configuration stays %s; it cannot be used: %s", self.digest, why)
        self.trouble = why

    def _run(self) -> None:
        while not self._over:
            asked = self._asked.wait(self._every)
            self._asked.clear()
            if self._over:
                return
            try:
                self.read() if asked else self.look()
            except Exception:
                log.exception("the configuration could not be looked at; that is tried again")
