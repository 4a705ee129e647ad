# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The Docker engine and Docker Compose: argument lists in, text out, a Failure where one fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from .commands import SYSTEM_PATH, Finished, end_group, run, spawn
from .failure import Failure, disk_full
from .redaction import shorten

#: What the client of Docker reads of its surroundings.
PASSED = (
    "HOME", "PATH", "SSH_AUTH_SOCK", "TMPDIR", "XDG_RUNTIME_DIR",
    "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY",
)  # fmt: skip
QUERY_SECONDS = 60.0
#: A container that does not stop by itself has ten seconds by default, and each waits for others.
STOP_SECONDS = 120.0

_NO_ENGINE = re.compile(
    r"cannot connect to the docker daemon|is the docker daemon running|permission denied while "
    r"trying to connect|error during connect|dial unix|context \"[^\"]*\"[^\n]*not found",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Said:
    """What a command answered: its exit status and its two streams, whole."""

    code: int
    out: str
    err: str


class Docker:
    """The client of the Docker engine. `variables` are what a compose file may refer to."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        passed = {name: os.environ[name] for name in PASSED if name in os.environ}
        self.environment = {
            **dict(variables or {}),
            "PATH": SYSTEM_PATH,
            **passed,
            "COMPOSE_IGNORE_ORPHANS": "true",
            # their time would give what is built of unchanged sources another id each time
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
            "LANG": "C.UTF-8",
        }

    def ask(self, *arguments: str, cwd: str | None = None, timeout: float = QUERY_SECONDS) -> Said:
        """Run a command that changes nothing; raises Failure when no engine answers in time."""
        try:
            process = spawn(
                ["docker", *arguments], env=self.environment, cwd=cwd, stderr=subprocess.PIPE
            )
        except FileNotFoundError:
            raise _missing() from None
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            what = " ".join(arguments[:2])
            raise unavailable(f"`docker {what}` did not end within {timeout:g} s") from None
        finally:
            end_group(process)
            if process.stderr is not None:
                process.stderr.close()
        said = Said(process.returncode, _text(out), _text(err))
        if said.code != 0:
            require_engine_in(said.err)
        return said

    def do(self, *arguments: str, timeout: float, cwd: str | None = None) -> Finished:
        """Run a command that changes something; raises Failure when no engine answers."""
        finished = run(["docker", *arguments], env=self.environment, timeout=timeout, cwd=cwd)
        if finished.code == 127 and shutil.which("docker", path=self.environment["PATH"]) is None:
            raise _missing()
        if finished.code != 0:
            require_engine_in(finished.output)
            full = disk_full(finished.output)
            if full is not None:
                raise full
        return finished

    def ask_json(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects that `docker inspect` and its like print; none where none is there."""
        said = self.ask(*arguments)
        return list(json.loads(said.out)) if said.out.strip() else []

    def require(self) -> str:
        """Return the engine's version, or raise Failure: no client, no engine or no Compose 2."""
        version = self.ask("version", "--format", "{{.Server.Version}}")
        if version.code != 0 or not version.out.strip():
            raise unavailable(last_line(version.err))
        self._require_compose()
        return version.out.strip()

    def _require_compose(self) -> None:
        said = self.ask("compose", "version", "--short")
        found = re.match(r"v?(\d+)\.", said.out.strip())
        if said.code == 0 and found and int(found[1]) >= 2:
            return
        old = shutil.which("docker-compose", path=self.environment["PATH"])
        only = "only the old docker-compose (version 1) is installed" if old else "it is not there"
        raise Failure(
            "compose_missing",
            f"`docker compose`, the plugin, is needed in version 2: {only}",
            "install the plugin: docker-compose-plugin, docker-compose-v2 or, from Debian 13 on, "
            "docker-compose",
        )


def compose(file: str, folder: str, name: str | None) -> list[str]:
    """Return the arguments of `docker` that begin each command on a project."""
    named = ["--project-name", name] if name else []
    return ["compose", *named, "--project-directory", folder, "--file", file, "--ansi", "never"]


def require_engine_in(text: str) -> None:
    """Raise Failure `docker_unavailable` when a command's last words are that no engine answers."""
    if _NO_ENGINE.search("\n".join(text.strip().splitlines()[-3:])):
        raise unavailable(last_line(text))


def unavailable(why: str) -> Failure:
    """Return the Failure of an engine that does not answer."""
    return Failure(
        "docker_unavailable",
        f"no Docker engine answers: {why}",
        "start it (systemctl start docker), and let this user talk to it (group docker)",
    )


def last_line(text: str) -> str:
    """Return the last line that says something, without the marks that Compose puts around it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[-1] if lines else "no word"
    found = re.search(r'\bmsg="((?:[^"\\]|\\.)*)"', line)
    return shorten(found[1].replace('\\"', '"') if found else line, 400)


def output_of(command: Sequence[str], finished: Finished) -> str:
    """Return a command and its output, for the log."""
    return f"$ docker {' '.join(command)}\n{finished.output}"


def _missing() -> Failure:
    return Failure(
        "docker_missing",
        "docker is not installed on this machine, or not on PATH",
        "install Docker: docker.io of Debian and Ubuntu, or docker-ce",
    )


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
