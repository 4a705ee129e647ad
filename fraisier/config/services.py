"""Shapes a provider's part of the configuration as its role takes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from fraisier.config.secret_headers import without_secret_headers
from fraisier.config.service_checks import VAULT_HEADER, as_text
from fraisier.domain.catalogue import Host, Json, Provider
from fraisier.domain.secret import SecretReference
from fraisier.domain.strategy import StrategyConfig

#: Of provider_config, what bare_metal's role takes under the same name.
BARE_METAL_KEYS = (
    "app_path", "layout", "source", "service_name", "systemd_scope", "build", "build_timeout",
    "exec", "shared", "health_check", "keep_releases", "schedule", "run_now", "run_timeout",
)  # fmt: skip

#: The same of docker_compose.
COMPOSE_KEYS = (
    "service", "project_name", "pull", "build_timeout", "pull_timeout", "health_check",
    "keep_releases",
)  # fmt: skip

#: The same of coolify.
COOLIFY_KEYS = (
    "url", "application_uuid", "service_uuid", "timeout", "request_timeout", "poll_interval",
    "wait_for_others", "pull_latest", "validate_certs", "health_check", "keep_releases",
)  # fmt: skip


def service_of(
    provider: Provider,
    identity: Mapping[str, str],
    config: Json,
    hosts: tuple[Host, ...],
    pace: StrategyConfig,
    base: Path,
) -> Json:
    """Return the `service` of a target: JSON without secrets, defaults filled in.

    `identity` has fraise, environment (its name), repository and branch. A provider without a shape
    of its own gets its provider_config as it is. One whose versions are images has no use for the
    repository.
    """
    shape = _SHAPES.get(provider.name)
    own = shape(config, hosts, pace, base) if shape else config
    if own.get("health_check"):
        own = {**own, "health_check": without_secret_headers(own["health_check"])}
    names = ("fraise", "environment") if provider.versions == "image" else tuple(identity)
    return {**own, **{name: identity[name] for name in names}}


def git_settings(provider: Provider, git_auth: Json) -> Json:
    """Return what the `service` of a target says of git_auth: nothing that is secret."""
    named = provider.versions == "git" and "token" in git_auth
    return {"git_username": git_auth["username"]} if named else {}


def _bare_metal(config: Json, hosts: tuple[Host, ...], pace: StrategyConfig, base: Path) -> Json:
    name, login = config["service_name"], hosts[0].username if hosts else None
    return {
        **{key: config.get(key) for key in BARE_METAL_KEYS},
        "systemd_service": config.get("systemd_service") or f"{name}.service",
        "service_user": config.get("service_user") or login,
        "min_healthy_time": pace.min_healthy_time,
        "healthy_deadline": pace.healthy_deadline,
        "env_vars": plain_variables(config),
    }


def _docker_compose(
    config: Json, _hosts: tuple[Host, ...], pace: StrategyConfig, base: Path
) -> Json:
    return {
        **{key: config.get(key) for key in COMPOSE_KEYS},
        "docker_compose_file": compose_file(config["docker_compose_file"], base),
        "registries": {
            name: login["username"] for name, login in (config.get("registries") or {}).items()
        },
        "min_healthy_time": pace.min_healthy_time,
        "healthy_deadline": pace.healthy_deadline,
        "env_vars": plain_variables(config),
    }


def _coolify(config: Json, _hosts: tuple[Host, ...], pace: StrategyConfig, base: Path) -> Json:
    ca_file = config.get("ca_file")
    return {
        **{key: config.get(key) for key in COOLIFY_KEYS},
        "ca_file": os.path.normpath(base / os.path.expanduser(ca_file)) if ca_file else None,
        "min_healthy_time": pace.min_healthy_time,
        "healthy_deadline": pace.healthy_deadline,
        "env_vars": plain_variables(config),
    }


def compose_file(name: str, base: Path) -> str:
    """Return the absolute path of a Compose file, `~` meaning the home of who runs Fraisier."""
    return os.path.normpath(base / os.path.expanduser(name))


def plain_variables(config: Json) -> Json:
    """Return the env_vars that are no secrets, as text."""
    env_vars = config.get("env_vars") or {}
    return {
        name: as_text(value)
        for name, value in env_vars.items()
        if SecretReference.parse(value) is None
    }


def secrets_of(config: Json, git_auth: Json, more: Json, base: Path) -> Json:
    """Return the references of a target by purpose, their files as absolute paths.

    They are in its provider_config, and in the git_auth of its fraise; `more` are others.
    """
    given = {
        **(config.get("env_vars") or {}),
        "become:password": config.get("become_password"),
        "coolify:token": config.get("token"),
        **{f"git:{name}": git_auth.get(name) for name in ("token", "ssh_key")},
        **_passwords(config),
        **more,
    }
    found = {name: SecretReference.parse(value) for name, value in given.items()}
    return {name: _anchored(ref, base).as_json() for name, ref in found.items() if ref}


def _passwords(config: Json) -> Json:
    """Return the passwords of registries by purpose, in which a port's colon is a slash."""
    registries = config.get("registries") or {}
    return {
        f"registry:{name.replace(':', '/')}": login["password"]
        for name, login in registries.items()
    }


def _anchored(reference: SecretReference, base: Path) -> SecretReference:
    """Return the reference so that it means the same file from whatever folder it is read."""
    inline = reference.kind == "vault" and reference.name.startswith(VAULT_HEADER)
    if reference.kind == "env" or inline:
        return reference
    path = os.path.normpath(base / os.path.expanduser(reference.name))
    return SecretReference(reference.kind, path)


_Shape = Callable[[Json, tuple[Host, ...], StrategyConfig, Path], Json]
_SHAPES: dict[str, _Shape] = {
    "bare_metal": _bare_metal,
    "docker_compose": _docker_compose,
    "coolify": _coolify,
}
