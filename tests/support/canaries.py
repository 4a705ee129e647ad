"""Secrets that nobody may ever see again: where they are planted, and where they are hunted."""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PREFIX = "cnry"
CANARY = re.compile(rb"cnry[0-9a-f]{32}")


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
        seen = {place: self._count(body) for place, body in self.places.items()}
        return {place: count for place, count in seen.items() if count}

    def _count(self, body: bytes) -> int:
        """Count the planted secrets in a text; those of `canary` in one pass."""
        canaries = {each for each in self.planted if CANARY.fullmatch(each)}
        shown = canaries & set(CANARY.findall(body))
        return len(shown) + sum(each in body for each in self.planted - canaries)


#: A process that is so many looks old has done its exec: it is read again only now and then.
YOUNG = 25


@contextmanager
def arguments_of_processes() -> Iterator[set[bytes]]:
    """Collect the arguments of every process of this machine while the block runs.

    Hosts of the lab are containers, so what runs on them is seen too. Each look, every 20 ms, reads
    the young processes, and the old ones in turn, each of them twice a second.
    """
    seen: set[bytes] = set()
    ages: dict[str, int] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            running = {name for name in os.listdir("/proc") if name.isdigit()}
            for gone in ages.keys() - running:
                del ages[gone]
            for pid in running:
                age = ages[pid] = ages.get(pid, 0) + 1
                if age <= YOUNG or (age + int(pid)) % YOUNG == 0:
                    seen.add(_arguments(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _arguments(pid: str) -> bytes:
    try:
        descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
    except FileNotFoundError:
        return b""
    try:
        return os.read(descriptor, 1 << 21)
    except ProcessLookupError:
        return b""
    finally:
        os.close(descriptor)
