"""What is installed to build and test Fraisier is the very files that were pinned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.tree import TOP

PIN = re.compile(r"[A-Za-z0-9._-]+==[^ ]+( --hash=sha256:[0-9a-f]{64})+")


@pytest.mark.parametrize("file", sorted(TOP.glob("constraints*.txt")), ids=lambda file: file.name)
def test_every_pin_carries_hashes(file: Path) -> None:
    whole = re.sub(r" \\\n +", " ", file.read_text())
    pins = [line for line in whole.splitlines() if not line.startswith("#")]
    assert len(pins) > 5
    assert [line[:40] for line in pins if not PIN.fullmatch(line)] == []


@pytest.mark.parametrize("name", ["Makefile", "scripts/gates-environment"])
def test_what_installs_them_requires_hashes(name: str) -> None:
    text = (TOP / name).read_text()
    assert "--require-hashes --requirement constraints" in text
    assert "--constraint" not in text
