"""Marks: what happens on the host, line by line, each with its nanosecond."""

import os
import time


def mark(what: str) -> None:
    """Append a line: what, when, of which version and release, by which process."""
    version, release = os.environ["FRAISIER_VERSION"], os.environ["FRAISIER_RELEASE"]
    line = f"{what} {time.time_ns()} {version} {release} {os.getpid()}\n"
    with open(os.environ["CHAOS_MARKS"], "a") as file:
        file.write(line)
