# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Passwords of registries: in a folder for Docker's client, while something is pulled or built."""

from __future__ import annotations

import base64
import os
import re
from contextlib import contextmanager
from typing import Any, Iterator, Mapping

from .clean_up import remove_tree
from .compose_engine import Docker
from .failure import Failure
from .files import read_json, write_json

FOLDER = "login"
_REFUSED = re.compile(
    r"unauthorized|authentication required|no basic auth credentials|access denied|"
    r"denied: requested access|403 forbidden|401 unauthorized",
    re.IGNORECASE,
)
_HUB = "https://index.docker.io/v1/"


@contextmanager
def logged_in(docker: Docker, logins: Mapping[str, tuple[str, str]], state: str) -> Iterator[None]:
    """Let Docker's client know user and password of registries, and forget them at the end.

    What the client knows by itself stays known to it.
    """
    if not logins:
        yield
        return
    folder, own = os.path.join(state, FOLDER), _own(docker)
    forget(state)
    os.mkdir(folder, 0o700)
    try:
        for name in os.listdir(own) if os.path.isdir(own) else ():
            if name != "config.json":  # plugins, contexts
                os.symlink(os.path.join(own, name), os.path.join(folder, name))
        known = _known(os.path.join(own, "config.json"))
        write_json(os.path.join(folder, "config.json"), config(known, logins))
        before = docker.environment.get("DOCKER_CONFIG")
        docker.environment["DOCKER_CONFIG"] = folder
        try:
            yield
        finally:
            docker.environment.pop("DOCKER_CONFIG")
            docker.environment.update({"DOCKER_CONFIG": before} if before else {})
    finally:
        forget(state)


def forget(state: str) -> None:
    """Remove what a run that was killed may have left."""
    folder = os.path.join(state, FOLDER)
    remove_tree(folder)


def config(known: Mapping[str, Any], logins: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return what the client knows with these logins, which come before its own helpers."""
    auths, helpers = dict(known.get("auths") or {}), dict(known.get("credHelpers") or {})
    for registry, (username, password) in logins.items():
        name = _HUB if registry in ("docker.io", "index.docker.io") else registry
        word = base64.b64encode(f"{username}:{password}".encode()).decode()
        auths[name], helpers[name] = {"auth": word}, ""
    return {**known, "auths": auths, "credHelpers": helpers}


def refused(reference: str, text: str, logins: Mapping[str, tuple[str, str]]) -> Failure | None:
    """Return the Failure of a pull that the registry did not allow; None: it was not that."""
    if not _REFUSED.search(text):
        return None
    registry = registry_of(reference)
    known = registry in logins
    return Failure(
        "registry_denied",
        f"the registry {registry} does not give {reference} to "
        + (f"the user {logins[registry][0]}" if known else "somebody who is not logged in"),
        f"correct registries.{registry}: its username and password"
        if known
        else f"name the registry with username and password under registries: {registry}",
        text,
    )


def registry_of(reference: str) -> str:
    """Return the registry that a reference to an image means."""
    first, slash, _rest = reference.partition("/")
    return (
        first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
    )


def _own(docker: Docker) -> str:
    folder = docker.environment.get("DOCKER_CONFIG")
    return folder or os.path.join(docker.environment.get("HOME", "/root"), ".docker")


def _known(file: str) -> dict[str, Any]:
    try:
        return read_json(file) or {}
    except OSError:
        return {}
