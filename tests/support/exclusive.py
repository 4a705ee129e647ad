"""What only one process of the tests may do at a time: tests are spread over several."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Wait until no other process of this user is in a block of that name."""
    path = Path(tempfile.gettempdir(), f"fraisier-tests-{os.getuid()}-{name}.lock")
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
