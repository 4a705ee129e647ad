"""Secrets that nobody may ever see again: where they are planted, and where they are hunted."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PREFIX = "cnry"


def canary() -> str:
    """Return a secret that no other text resembles."""
    return f"{PREFIX}{secrets.token_hex(16)}"


class Hunt:
    """What is searched, by the name of its place; bodies are bytes."""

    def __init__(self, planted: Iterable[str]) -> None:
        self.planted = frozenset(each.encode() for each in planted)
        self.places: dict[str, bytes] = {}

    def add(self, place: str, body: str | bytes) -> None:
        """Search this as well."""
        more = body.encode() if isinstance(body, str) else body
        self.places[place] = self.places.get(place, b"") + more

    def add_files(self, folder: Path, but: Iterable[Path] = ()) -> None:
        """Search every file below a folder, but for those that hold secrets by design."""
        left = set(but)
        for path in folder.rglob("*"):
            if path.is_file() and path not in left:
                self.add(f"file {path.name}", path.read_bytes())

    def found(self) -> Mapping[str, int]:
        """Return how many of the planted secrets each place shows, where it shows any."""
        seen = {
            place: sum(each in body for each in self.planted) for place, body in self.places.items()
        }
        return {place: count for place, count in seen.items() if count}


@contextmanager
def arguments_of_processes() -> Iterator[set[bytes]]:
    """Collect the arguments of every process of this machine while the block runs.

    Hosts of the lab are containers, so what runs on them is seen too.
    """
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    seen.add(_arguments(entry.path))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _arguments(process: str) -> bytes:
    try:
        return Path(process, "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
