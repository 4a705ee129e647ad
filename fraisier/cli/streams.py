"""Standard streams that nobody reads any more: work that is under way goes on without them."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any


def attach() -> None:
    """Open /dev/null as each standard stream that is closed.

    Otherwise the next file, such as the database, gets its number, and what is printed is written
    into it. Characters that the encoding lacks are written out, as `\\u2713`.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number: this one
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def outlived(stream: IO[Any]) -> Iterator[None]:
    """Print on a stream, or nowhere from now on: its terminal or reader may be gone.

    A signal may also have come while the same stream was being written.
    """
    try:
        yield
    except OSError:
        detach(stream)
    except RuntimeError as error:
        if "reentrant" not in str(error):
            raise


def detach(stream: IO[Any]) -> None:
    """Let /dev/null take a stream's place, so that nothing fails when it is flushed at the end."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


class LogHandler(logging.StreamHandler[Any]):
    """Logs to standard error as long as it is there."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Go on without a stream that is gone; other errors are shown."""
        if isinstance(sys.exc_info()[1], OSError):
            detach(self.stream)
        else:
            super().handleError(record)


def _nowhere() -> IO[str]:
    return open(os.devnull, "w")
