# Copyright (c) 2026 The Fraisier authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads fraises.yaml for plain Ansible: which services run where, as hosts and variables."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from typing import Any, Mapping

from ..module_utils.git_url import check_repository
from ..module_utils.host_names import check_host
from ..module_utils.paths import check_app_path, check_shared_paths
from .schema import fill, is_encrypted, problems

PROVIDER = "bare_metal"
#: The variable of a host that refers to the password of sudo there.
BECOME = "fraisier_become"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}\Z")
_VARIABLE = re.compile(r"\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_FORGES = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
#: owner/name, and on GitLab groups in groups.
_SHORT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+\Z")
#: Keys of an environment for what is done around a release.
_AROUND = ("hooks", "backup", "migrate", "smoke")
_REFERENCES = ("env", "file", "vault")
_GIT = ("token", "ssh_key")
_SAME_NAME = (
    "app_path", "layout", "source", "service_name", "systemd_scope", "build", "build_timeout",
    "exec", "shared", "keep_releases", "schedule", "run_now", "run_timeout",
)  # fmt: skip


class ConfigurationError(Exception):
    """The file cannot be used; the message has every problem found."""


@dataclass(frozen=True)
class Target:
    """A service in an environment: its hosts' connection variables by name, and its own value.

    Where its hosts are those of a team's own inventory, `group` names them there and `common` has
    what fraises.yaml says of reaching them.
    """

    fraise: str
    environment: str
    hosts: Mapping[str, Mapping[str, Any]]
    value: Mapping[str, Any]
    inventory: str = ""
    group: str = ""
    common: Mapping[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """The inventory groups of its hosts; `…_rolling_by_N` tells a play how to pace itself."""
        names = (f"{self.fraise}_{self.environment}", f"fraise_{self.fraise}")
        batch = str(self.value["max_parallel"]).replace("%", "_percent")
        every = (
            *names,
            f"environment_{self.environment}",
            f"{names[0]}_{self.value['strategy']}_by_{batch}",
        )
        return tuple(name.replace("-", "_") for name in every)


def read_targets(
    data: Mapping[str, Any], schema: Mapping[str, Any], folder: str, environ: Mapping[str, str]
) -> list[Target]:
    """Return the targets that this collection's provider deploys; raises ConfigurationError.

    `schema` is that of provider_config; relative paths start at `folder`.
    """
    found: list[Target] = []
    wrong: list[str] = []
    data = _expand(data, environ, wrong)
    fraises = data.get("fraises")
    for name, fraise in (fraises if isinstance(fraises, Mapping) else {}).items():
        environments = fraise.get("environments") if isinstance(fraise, Mapping) else None
        for environment, values in (environments or {}).items():
            path = f"fraises.{name}.environments.{environment}"
            provider = str(values.get("provider", "")).replace("-", "_")
            if str(name).startswith("x-") or provider != PROVIDER:
                continue
            problem = _problems(str(name), str(environment), fraise, values, schema, path)
            wrong += problem
            if not problem:
                found.append(_target(str(name), str(environment), fraise, values, schema, folder))
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return found


def _problems(
    name: str, environment: str, fraise: Any, values: Any, schema: Mapping[str, Any], path: str
) -> list[str]:
    config = values.get("provider_config", {})
    wrong = [f"{path}: {word!r} is no name" for word in (name, environment) if not NAME.match(word)]
    wrong += problems(config, schema, f"{path}.provider_config")
    if not isinstance(fraise.get("git_repo"), str):
        wrong.append(f'fraises.{name}: "git_repo" is missing')
    if not wrong:
        checks = [("app_path", check_app_path(config["app_path"]))]
        checks += [("shared", why) for _at, why in check_shared_paths(config.get("shared", ()))]
        hosts = config["hosts"] if isinstance(config["hosts"], list) else ()
        for at, host in enumerate(hosts):
            checks += [(f"hosts[{at}].{key}", why) for key, why in check_host(host)]
        wrong += [f"{path}.provider_config.{key}: {why}" for key, why in checks if why]
    return wrong


def _proxy(given: Any) -> dict[str, Any]:
    """Return what is in front of a service, in the shape of the modules' option; {} for nothing."""
    if not isinstance(given, Mapping):
        return {}
    names = given.get("host") or []
    kind = "none" if given.get("type") == "none" else "haproxy"
    same = ("port", "tls_port", "app_port", "drain", "keep_old", "health_path")
    commands = {key: list(given.get(key) or []) for key in ("drain_command", "undrain_command")}
    return {
        **{key: given[key] for key in same if given.get(key) is not None},
        **commands,
        "kind": kind,
        "names": [names] if isinstance(names, str) else list(names),
        "tls": _tls(given.get("tls")),
        "local": kind == "haproxy" and not given.get("hosts"),
    }


def _tls(given: Any) -> Any:
    """Return whether there is https; where its certificate is got from an authority, from whom."""
    if not isinstance(given, Mapping) or "acme" not in given:
        return bool(given)
    return {"acme": {key: str(value) for key, value in (given["acme"] or {}).items()}}


def _target(
    name: str, environment: str, fraise: Any, values: Any, schema: Mapping[str, Any], folder: str
) -> Target:
    config = fill(values["provider_config"], schema)
    pace = values.get("strategy_config") or {}
    hosts = config["hosts"]
    user = config.get("service_user") or (
        hosts[0].get("username") if isinstance(hosts, list) else None
    )
    if not user:
        where = f"fraises.{name}.environments.{environment}.provider_config"
        raise ConfigurationError(f"{where}.service_user: is missing; name the service's user")
    plain, secret = _split(config["env_vars"], folder)
    headers: dict[str, Any] = {}
    check = _request(config.get("health_check"), "health_check", headers, folder)
    around = {key: _with_on(values[key]) for key in _AROUND if values.get(key)}
    if "smoke" in around:
        around["smoke"] = [
            _request(test, f"smoke/{number}", headers, folder)
            for number, test in enumerate(around["smoke"])
        ]
    git = fraise.get("git_auth") or {}
    service = {
        **{key: config.get(key) for key in _SAME_NAME},
        "fraise": name,
        "environment": environment,
        "repository": _repository(fraise, folder),
        "branch": fraise.get("git_branch", "main"),
        "git_username": git.get("username") if "token" in git else None,
        "systemd_service": config.get("systemd_service") or f"{config['service_name']}.service",
        "service_user": user,
        "env_vars": plain,
        "min_healthy_time": pace.get("min_healthy_time"),
        "healthy_deadline": pace.get("healthy_deadline", 60),
        "type": fraise.get("type", "api"),
        "health_check": check,
        "around": around,
    }
    strategy = values.get("strategy", "rolling")
    value = {
        "service": service,
        "secret_references": secret,
        "git_references": _git_references(git, folder),
        "header_references": headers,
        "proxy": _proxy(values.get("proxy")),
        "strategy": strategy,
        "max_parallel": pace.get("max_parallel", 1),
        "auto_rollback": values.get("auto_rollback", True),
        "become": values["provider_config"].get("become", True),
    }
    if isinstance(hosts, Mapping):
        written = values["provider_config"].get("become")
        given = {"ansible_become": written, BECOME: _become(config, folder)}
        common = {name: value for name, value in given.items() if value is not None}
        return Target(name, environment, {}, value, hosts["inventory"], hosts["group"], common)
    named = {str(h.get("name", h["hostname"])): _connection(h, config, folder) for h in hosts}
    return Target(name, environment, named, value)


def _with_on(value: Any) -> Any:
    """Return a value with the key `on` where YAML 1.1 has read it as true."""
    if isinstance(value, Mapping):
        return {"on" if key is True else key: _with_on(item) for key, item in value.items()}
    return [_with_on(item) for item in value] if isinstance(value, list) else value


def _split(variables: Mapping[str, Any], folder: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the plain variables as text, and references for those that are secrets."""
    plain: dict[str, str] = {}
    secret: dict[str, Any] = {}
    for name, value in variables.items():
        reference = _reference(value, folder)
        if reference is None:
            plain[name] = _text(value)
        else:
            secret[name] = reference
    return plain, secret


def _request(request: Any, place: str, references: dict[str, Any], folder: str) -> Any:
    """Return a health check or smoke test without the headers that are secrets.

    They are added to the references, by `place` and name.
    """
    headers = request.get("headers") if isinstance(request, Mapping) else None
    if not isinstance(headers, Mapping):
        return request
    plain: dict[str, Any] = {}
    for name, value in headers.items():
        reference = _reference(value, folder)
        if reference is None:
            plain[name] = value
        else:
            references[f"{place}/{name}"] = reference
    return {**request, "headers": plain}


def _reference(value: Any, folder: str) -> dict[str, Any] | None:
    """Return a value that refers to a secret as a reference, its file as an absolute path."""
    if is_encrypted(value):
        return {"vault": value}
    if not isinstance(value, Mapping):
        return None
    return {"file": _path(value["file"], folder)} if "file" in value else dict(value)


def _git_references(git_auth: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return the references for what opens the repository."""
    found = {name: _reference(git_auth[name], folder) for name in _GIT if name in git_auth}
    for name, reference in found.items():
        if reference is None:
            raise ConfigurationError(f"git_auth.{name}: must be a reference, such as {{env: NAME}}")
    return found


def _connection(host: Mapping[str, Any], config: Mapping[str, Any], folder: str) -> dict[str, Any]:
    known_hosts = config.get("known_hosts")
    pinned = None
    if known_hosts:
        file = shlex.quote(f"UserKnownHostsFile={_path(known_hosts, folder)}")
        pinned = f"-o {file} -o StrictHostKeyChecking=yes"
    key = host.get("ssh_key_path")
    variables = {
        "ansible_host": host["hostname"],
        "ansible_port": host["port"],
        "ansible_user": host.get("username"),
        "ansible_ssh_private_key_file": _path(key, folder) if key else None,
        "ansible_ssh_common_args": pinned,
        "ansible_python_interpreter": host["python"],
        "ansible_become": config["become"],
        BECOME: _become(config, folder),
    }
    return {name: value for name, value in variables.items() if value is not None}


def _become(config: Mapping[str, Any], folder: str) -> dict[str, Any] | None:
    """Return the reference to sudo's password, in the shape that the filter for secrets takes."""
    written = config.get("become_password")
    return None if written is None else {"password": _reference(written, folder)}


def _repository(fraise: Mapping[str, Any], folder: str) -> str:
    written = str(fraise["git_repo"])
    forge = _FORGES.get(fraise.get("git_provider", ""))
    if forge and _SHORT.match(written) and (forge == _FORGES["gitlab"] or written.count("/") == 1):
        return f"https://{forge}/{written[:-4] if written.endswith('.git') else written}.git"
    local = written.startswith((".", "~", "/"))
    repository = _path(written, folder) if local else written
    problem = check_repository(repository)
    if problem:
        raise ConfigurationError(f"git_repo {problem}")
    return repository


def _path(path: str, folder: str) -> str:
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _expand(value: Any, environ: Mapping[str, str], wrong: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _expand(item, environ, wrong) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, environ, wrong) for item in value]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replacement(found: re.Match[str]) -> str:
        escaped, name, default = found.groups()
        if not escaped and name not in environ and default is None:
            wrong.append(f"${{{name}}}: the environment variable {name} is not set")
        return "${" if escaped else environ.get(name) or default or ""

    return _VARIABLE.sub(replacement, value)
