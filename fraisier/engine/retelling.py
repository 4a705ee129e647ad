"""Telling, begun anew when who is told has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from fraisier.domain.catalogue import Catalogue
from fraisier.engine.current import CurrentCatalogue


@contextmanager
def retelling(
    current: CurrentCatalogue, begin: Callable[[], AbstractContextManager[object]]
) -> Iterator[None]:
    """Keep what `begin()` gives open while the block runs, one after the other.

    The next begins when the configuration has other receivers, once the one before has ended.
    """
    lock = threading.Lock()
    with ExitStack() as telling:
        telling.enter_context(begin())

        def heard(before: Catalogue, after: Catalogue) -> None:
            if before.receivers != after.receivers:
                with lock:
                    telling.close()
                    telling.enter_context(begin())

        with current.heard_by(heard):
            yield
