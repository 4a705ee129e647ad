# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The service that a run is about, as it is known to Coolify: options, checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping
from urllib.parse import urlsplit

from . import envfile
from .check import Check
from .coolify_http import PREFIX, Place
from .failure import Failure
from .health import parse

UUID = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
COMMIT = re.compile(r"[0-9a-f]{40}\Z")
DIGEST = re.compile(r"sha256:([0-9a-f]{64})\Z")
_SPELLED = re.compile(r"(?:sha256[:-])+([0-9A-Fa-f]{64})\Z")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
#: What an application is built from, or that it is a stack of Coolify's own.
GIT, IMAGE, STACK = "git", "image", "stack"


@dataclass(frozen=True)
class CoolifyService:
    """An application or a service of Coolify's. Times in seconds.

    `wait_for_others`: how long a deployment that somebody else began is waited for. `check`
    None: Coolify's own status is enough.
    """

    fraise: str
    environment: str
    place: Place
    kind: str
    uuid: str
    env_vars: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    timeout: float
    poll_interval: float
    wait_for_others: float
    pull_latest: bool
    check: Check | None
    min_healthy: float | None
    deadline: float
    keep_releases: int

    @property
    def variables(self) -> dict[str, str]:
        """The variables that Coolify is to give the service."""
        return {**self.env_vars, **self.secrets}

    @property
    def is_application(self) -> bool:
        """True for an application; a service has no deployments that could be followed."""
        return self.kind == "applications"

    def __str__(self) -> str:
        return f"{self.fraise} (Coolify's {self.kind[:-1]} {self.uuid})"


def from_options(
    options: Mapping[str, Any], secrets: Mapping[str, Any], access: Mapping[str, Any]
) -> CoolifyService:
    """Return the service of a module's options; raises Failure."""
    application, service = options["application_uuid"], options["service_uuid"]
    _check(options, {**(options["env_vars"] or {}), **secrets})
    health = options["health_check"]
    deadline, min_healthy = options["healthy_deadline"], options["min_healthy_time"]
    return CoolifyService(
        fraise=options["fraise"],
        environment=options["environment"],
        place=Place(
            url=base_of(options["url"]),
            token=_token(access),
            timeout=options["request_timeout"],
            validate_certs=options["validate_certs"],
            ca_file=options["ca_file"],
        ),
        kind="applications" if application else "services",
        uuid=application or service,
        env_vars={name: str(value) for name, value in (options["env_vars"] or {}).items()},
        secrets={name: str(value) for name, value in secrets.items()},
        timeout=options["timeout"],
        poll_interval=options["poll_interval"],
        wait_for_others=options["wait_for_others"],
        pull_latest=options["pull_latest"],
        check=parse(health, min_healthy, deadline) if health else None,
        min_healthy=min_healthy,
        deadline=deadline,
        keep_releases=options["keep_releases"],
    )


def base_of(url: str) -> str:
    """Return the address that the API's own path is added to."""
    return url.rstrip("/").removesuffix(PREFIX) if url else url


def wanted_version(kind: str, version: str | None) -> str:
    """Return what a version is to Coolify, empty for none; raises Failure `version_invalid`.

    `kind`: GIT wants a commit, IMAGE a tag or a digest, STACK has no versions.
    """
    if not version:
        return ""
    if kind == GIT and (COMMIT.match(version) or version == "HEAD"):
        return "" if version == "HEAD" else version
    if kind == IMAGE and (TAG.match(version) or DIGEST.match(version)):
        return plain_version(version)
    why = {
        GIT: "is no commit: Coolify builds this application from git",
        IMAGE: "is neither an image's tag nor a digest",
        STACK: "cannot be set: what a service of Coolify's runs stands in its Compose file there",
    }[kind]
    hint = {
        GIT: "name a commit by its 40 digits, or none for the newest of the branch",
        IMAGE: "name a tag such as 1.4.2, or a digest: sha256: and 64 hexadecimal digits",
        STACK: "leave --version out; it is restarted with its images pulled again",
    }[kind]
    raise Failure("version_invalid", f"version {version!r} {why}", hint)


def plain_version(version: str) -> str:
    """Return a digest as `sha256:` and its digits, however Coolify spells it; else the version."""
    found = _SPELLED.match(version)
    return f"sha256:{found[1].lower()}" if found else version


def _token(access: Mapping[str, Any]) -> str:
    token = str(access.get("token") or "")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        problem = "has a character that no token has" if token else "has no value here"
        raise Failure(
            "token_missing",
            f"the token for Coolify {problem}",
            "see what provider_config.token refers to",
        )
    return token


def _check(options: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    problems = []
    url, uuids = urlsplit(options["url"]), (options["application_uuid"], options["service_uuid"])
    if url.scheme not in ("http", "https") or not url.hostname or url.username is not None:
        problems.append(("url", "must be a whole http or https URL without a password"))
    if len([uuid for uuid in uuids if uuid]) != 1:
        problems.append(("application_uuid", "or service_uuid must be given, one of them"))
    if not UUID.match(uuids[0] or uuids[1] or "x"):
        problems.append(("application_uuid", "and service_uuid are letters, digits and -"))
    if options["keep_releases"] < 2:
        problems.append(("keep_releases", "must be at least 2: the current one and the last good"))
    for name, value in variables.items():
        if not envfile.NAME.match(name) or "\0" in str(value):
            problems.append((f"env_vars {name!r}", "must have a plain name and no NUL character"))
    for what, problem in problems:
        raise Failure("service_invalid", f"{what} {problem}", f"correct {what.split()[0]}")
