"""What a host told of itself, judged: a slow shell, a wrong clock, a full disk. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: A shell that takes longer makes each contact with the host slow, and there are several.
SLOW_SECONDS = 0.5
SKEW_SECONDS = 5.0
LOW_BYTES = 256 * 2**20
LOW_FILES = 1000

Symptom = tuple[str, str]


def symptoms(told: Mapping[str, Any], period: tuple[float, float]) -> Iterator[Symptom]:
    """Yield what is wrong, each with its fix.

    `told` is what the collection's module `app` says of a host when it examines it; `period` when
    it was asked and when it had answered, in Unix seconds.
    """
    if "shell" in told:
        yield from _shell(told["shell"])
    if "clock" in told:
        yield from _clock(float(told["clock"]), period)
    if "disk" in told:
        yield from _disk(told["disk"])


def _shell(shell: Mapping[str, Any]) -> Iterator[Symptom]:
    took, bare, files = shell["seconds"], shell["bare"], shell["files"]
    if bare is None or (took is not None and took - bare < SLOW_SECONDS):
        return
    length = "does not end" if took is None else f"takes {took:.1f} s"
    look = f"look at {', '.join(files)}" if files else f"look at what {shell['program']} reads"
    yield (
        f"the login shell {shell['program']} {length} to do nothing, without the files it reads "
        f"{bare:.2f} s; every contact pays that",
        f"{look}: what is slow there belongs behind a test for an interactive shell",
    )


def _clock(clock: float, period: tuple[float, float]) -> Iterator[Symptom]:
    began, ended = period
    off = clock - ended if clock > ended else min(0.0, clock - began)
    if abs(off) > SKEW_SECONDS:
        direction = "ahead of" if off > 0 else "behind"
        yield (
            f"its clock is {abs(off):.0f} s {direction} this machine's",
            "let NTP set both clocks: timedatectl set-ntp true",
        )


def _disk(disk: Mapping[str, Any]) -> Iterator[Symptom]:
    free, files = disk["bytes"], disk["files"]
    if free < LOW_BYTES or (files is not None and files < LOW_FILES):
        room = f"{free / 2**20:.0f} MiB and {files if files is not None else 'any number of'} files"
        yield (
            f"the disk of {disk['path']} has room for {room} only",
            "free space there, or lower keep_releases",
        )
