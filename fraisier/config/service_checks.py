"""Rules for the keys that providers share: app_path, shared, env_vars and health_check."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.fraisier.deploy.plugins.module_utils.compose_names import TAKEN
from ansible_collections.fraisier.deploy.plugins.module_utils.paths import (
    check_app_path,
    check_shared_paths,
)
from fraisier.config.document import Document
from fraisier.config.report import Path, Report
from fraisier.config.secret_headers import HEADER_NAME, headers_of
from fraisier.domain.secret import SecretReference

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
REGISTRY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
VAULT_HEADER = "$ANSIBLE_VAULT;"

#: Set by Fraisier on the host; a value of the user's would hide what really runs.
RESERVED = frozenset(f"FRAISIER_{name}" for name in ("FRAISE", "ENVIRONMENT", "VERSION", "RELEASE"))
_NEEDED = {"http": "url", "tcp": "port", "exec": "command"}

Values = Mapping[str, Any]


def check_app_folder(values: Values, path: Path, report: Report) -> None:
    """Check `app_path` and the `shared` paths inside a release."""
    app_path, shared = values.get("app_path"), values.get("shared")
    shared = shared if isinstance(shared, list) else []
    if isinstance(app_path, str):
        problem = check_app_path(app_path)
        if problem:
            report.add((*path, "app_path"), problem)
    known = [item if isinstance(item, str) else "" for item in shared]
    for at, problem in check_shared_paths(known):
        if isinstance(shared[at], str):
            report.add((*path, "shared", at), problem)


def check_env_vars(values: Values, path: Path, document: Document) -> None:
    """Check the names in `env_vars`, its plain values and its references."""
    variables = values.get("env_vars")
    for name, value in variables.items() if isinstance(variables, Mapping) else ():
        where = (*path, "env_vars", name)
        if not ENV_NAME.fullmatch(name):
            message = (
                "is no name for an environment variable: letters, digits and _, no digit first"
            )
            document.report.add(where, message)
        elif name in RESERVED:
            document.report.add(where, "is set by Fraisier itself; choose another name")
        elif "docker_compose_file" in values and TAKEN.fullmatch(name):
            document.report.add(where, "is read by Docker itself; choose another name")
        problem = _value_problem(value, document.written.get(where))
        if problem:
            document.report.add(where, problem)


def as_text(value: str | bool | int | float) -> str:
    """Return the text that a plain value has in an environment: `true`, `8000`, `0.5`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value_problem(value: Any, written: str | None) -> str | None:
    if isinstance(value, bool | int | float):
        different = written is not None and written != as_text(value)
        return "YAML does not read this as it is written: put it in quotes" if different else None
    reference = SecretReference.parse(value)
    return reference_problem(reference) if reference else None


def reference_problem(reference: SecretReference) -> str | None:
    """Say what is wrong with a reference to a secret, wherever it leads; None when nothing is."""
    if reference.kind == "env" and not ENV_NAME.fullmatch(reference.name):
        return "{env: …} must name an environment variable"
    inline = reference.name.startswith(VAULT_HEADER)
    if reference.kind == "vault" and "\n" in reference.name and not inline:
        return f"{{vault: …}} must hold text that starts with {VAULT_HEADER}, or name a file"
    if not reference.name:
        return f"{{{reference.kind}: …}} is empty"
    return None


def check_registries(values: Values, path: Path, report: Report) -> None:
    """Check the names of `registries`, and where their passwords come from."""
    registries = values.get("registries")
    for name, login in registries.items() if isinstance(registries, Mapping) else ():
        where = (*path, "registries", name)
        if not REGISTRY.fullmatch(name):
            report.add(where, "is no registry: a host, and a port where it has one; no https://")
        password = login.get("password") if isinstance(login, Mapping) else None
        reference = SecretReference.parse(password)
        problem = reference_problem(reference) if reference else None
        if problem:
            report.add((*where, "password"), problem)


def check_health_check(values: Values, path: Path, report: Report) -> None:
    """Check that a `health_check` has what its type needs, and a URL that can be asked."""
    health, where = values.get("health_check"), (*path, "health_check")
    if not isinstance(health, Mapping):
        return
    needed = _NEEDED.get(str(health.get("type")))
    if needed and needed not in health:
        report.add(where, f'"{needed}" is missing')
    if isinstance(health.get("url"), str):
        problem = url_problem(health["url"])
        if problem:
            report.add((*where, "url"), problem)
    check_headers(health, where, report)


def check_headers(request: Values, path: Path, report: Report) -> None:
    """Check the headers of a request that are secrets: their names, and where they lead."""
    for name, value in headers_of(request).items():
        reference = SecretReference.parse(value)
        if reference is None:
            continue
        named = re.fullmatch(HEADER_NAME, name)
        problem = reference_problem(reference) if named else "is no name for a header"
        if problem:
            report.add((*path, "headers", name), problem)


def url_problem(url: str) -> str | None:
    """Say what is wrong with a URL that is to be asked; None when nothing is."""
    if not url.isprintable() or " " in url:
        return "must not hold spaces or control characters"
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return "is not a URL that can be read; check its host and port"
    if scheme not in ("http", "https") or not host:
        return "must be a whole http or https URL, such as http://localhost:8000/health"
    if parts.username is not None:
        return "must not hold a user name or password; send them as headers"
    return None
