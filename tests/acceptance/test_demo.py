"""`make demo` is the first thing a reader does: it must end well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fraisier import lab as labs
from fraisier.lab.addresses import ADDRESSES
from support.command import LIMIT_SECONDS
from support.repository import git

TOP = Path(__file__).resolve().parents[2]
PREFIX = "demo-of-test-"


@dataclass(frozen=True)
class Place:
    """A lab of the demo's own, at an address that nobody has."""

    lab: str
    address: str

    @property
    def environment(self) -> dict[str, str]:
        """Return what `make demo` would give the script, and where it is to work."""
        mine = {name: value for name, value in os.environ.items() if "FRAISIER" not in name}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**mine, "PATH": path, "DEMO_LAB": self.lab, "DEMO_ADDRESS": self.address}


@pytest.fixture
def place() -> Iterator[Place]:
    for name in labs.names():
        pid = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and not Path(f"/proc/{pid}").exists():
            labs.down(name)
    taken = {host.address for lab in labs.status() for host in lab.hosts}
    found = Place(
        f"{PREFIX}{os.getpid()}", next(each for each in reversed(ADDRESSES) if each not in taken)
    )
    try:
        yield found
    finally:
        labs.down(found.lab)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.cpu_seconds(120, reason="four deployments by commands that are executed")
def test_the_demo_ends_with_the_good_release_serving_and_the_bad_one_rolled_back(
    place: Place,
) -> None:
    done = subprocess.run(
        [TOP / "scripts/demo"],
        env=place.environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = next(lab for lab in labs.status() if lab.name == place.lab)
    good = git("rev-parse", "main~1", cwd=made.git / "simple-web-service.git")
    assert ask(place, "/health") == {"status": "ok", "version": good}
    assert ask(place, "/")["message"].startswith("Good day")
    assert "success" in done.stdout
    assert "rolled_back" in done.stdout
    assert f"http://{place.address}:8000/health" in done.stdout


def ask(place: Place, path: str) -> dict[str, str]:
    """Return what the application answers."""
    with urllib.request.urlopen(f"http://{place.address}:8000{path}", timeout=5) as answer:
        said: dict[str, str] = json.load(answer)
        return said
