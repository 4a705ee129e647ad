"""Commands as the lab runs them: argument lists in, text out, LabError when one fails."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence

from fraisier.domain.errors import LabError

INSTALL_HINT = "run `scripts/system-packages lab`: it installs what the lab needs"


def run(argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 120) -> str:
    """What `argv` wrote to its standard output; LabError names the command and its last words."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=timeout)
    except FileNotFoundError as missing:
        raise LabError(f"{argv[0]} is not installed", INSTALL_HINT) from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(f"`{_shown(argv)}` did not end within {timeout:g} s") from late
    if done.returncode:
        words = _last_words(done.stderr) or _last_words(done.stdout) or f"exit {done.returncode}"
        raise LabError(f"`{_shown(argv)}` failed: {words}")
    return done.stdout.decode(errors="replace")


def docker(*argv: str, stdin: bytes | None = None, timeout: float = 120) -> str:
    """What `docker ARGV…` wrote; LabError as for `run`."""
    return run(("docker", *argv), stdin=stdin, timeout=timeout)


def exec_in(container: str, *argv: str) -> str:
    """What `argv`, run as root inside `container`, wrote; LabError when it failed."""
    return docker("exec", container, *argv)


def pipe(producer: Sequence[str], consumer: Sequence[str]) -> None:
    """Run `producer | consumer`; LabError when either fails."""
    with subprocess.Popen(producer, stdout=subprocess.PIPE) as source:
        done = subprocess.run(consumer, stdin=source.stdout, capture_output=True, check=False)
    if done.returncode:
        raise LabError(f"`{_shown(consumer)}` failed: {_last_words(done.stderr)}")
    if source.returncode:
        raise LabError(f"`{_shown(producer)}` failed with exit {source.returncode}")


def _shown(argv: Sequence[str]) -> str:
    text = shlex.join(argv)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _last_words(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    return "; ".join([line for line in lines if line][-3:])
