"""Rules for `proxy` that a schema cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils.host_names import check_host
from fraisier.config.report import Path, Report
from fraisier.config.service_checks import reference_problem
from fraisier.domain.catalogue import Provider
from fraisier.domain.secret import SecretReference

Values = Mapping[str, Any]

HTTP, HTTPS, LAST_PORT = 80, 443, 65535
_COMMANDS = ("drain_command", "undrain_command")
_NOT_OURS = ("type", *_COMMANDS)


def check_proxy(values: Values, path: Path, report: Report, provider: Provider | None) -> None:
    """Check an environment's proxy, and what it needs of the provider and its configuration."""
    proxy, where = values.get("proxy"), (*path, "proxy")
    if not isinstance(proxy, Mapping):
        return
    if provider is not None and not provider.proxy:
        report.add(where, f"a service of the provider {provider.name} cannot stand behind a proxy")
        return
    if proxy.get("type") == "none":
        _check_another(proxy, where, report)
        return
    for key in _COMMANDS:
        if key in proxy:
            report.add((*where, key), "is for a balancer of yours: it needs type: none")
    _check_ports(proxy, where, report, provider)
    if "hosts" in proxy:
        _check_hosts(proxy, where, report)
    else:
        _check_local(values.get("provider_config"), where, report)
    if isinstance(proxy.get("tls"), Mapping):
        _check_tls(proxy, (*where, "tls"), report)
        if "acme" in proxy["tls"]:
            _check_acme(proxy, values.get("provider_config"), (*where, "tls"), report)


def _check_another(proxy: Values, path: Path, report: Report) -> None:
    for key in proxy:
        if key not in _NOT_OURS and not key.startswith("x-"):
            report.add((*path, key), "means nothing with the type none")
    if not any(key in proxy for key in _COMMANDS):
        report.add(path, "drain_command or undrain_command is missing")


def _check_ports(proxy: Values, path: Path, report: Report, provider: Provider | None) -> None:
    """Check that nobody listens twice on one port, as far as the file says."""
    own = {"port": proxy.get("port", HTTP)}
    if proxy.get("tls"):
        own["tls_port"] = proxy.get("tls_port", HTTPS)
        if own["port"] == own["tls_port"]:
            report.add((*path, "tls_port"), f"{own['port']} is `port` already")
    app = proxy.get("app_port")
    if "hosts" in proxy or not isinstance(app, int) or provider is None:
        return
    if provider.versions == "git":  # in a container the port is its own
        taken = {app, app + 1} & set(own.values())
        if app == LAST_PORT or taken:
            message = "and the port after it are those of the two colours, on the proxy's own host"
            report.add((*path, "app_port"), message)


def _check_hosts(proxy: Values, path: Path, report: Report) -> None:
    if "app_port" not in proxy:
        report.add(path, '"app_port" is missing: where the proxy finds the service on its hosts')
    names: set[str] = set()
    hosts = proxy["hosts"] if isinstance(proxy["hosts"], list) else ()
    for at, host in enumerate(hosts):
        if not isinstance(host, Mapping):
            continue
        where, name = (*path, "hosts", at), str(host.get("name", host.get("hostname")))
        if name in names:
            report.add(where, f"{name} is in the list already; give one another `name`")
        names.add(name)
        for each, problem in check_host(host):
            report.add((*where, each), problem)
        key = host.get("ssh_key_path")
        if isinstance(key, str) and (not key.isprintable() or set(key) & set("\"'\\%$")):
            report.add(
                (*where, "ssh_key_path"), "must be a path without quotes, backslashes, % and $"
            )


def _check_local(config: Any, path: Path, report: Report) -> None:
    """Check that a proxy on the service's hosts can be told there, and have two colours."""
    if not isinstance(config, Mapping):
        return
    if config.get("layout") == "in_place":
        message = (
            "runs two releases side by side, and needs the layout releases; or give it `hosts`"
        )
        report.add(path, message)
    if config.get("systemd_scope") == "user":
        message = "on the service's hosts is root's, and needs systemd_scope: system"
        report.add(path, message)
    elif config.get("become") is False and not _by_root(config.get("hosts")):
        report.add(path, "on the service's hosts is root's: let root log in there, or become: true")


def _by_root(hosts: Any) -> bool:
    """Return whether it is root that logs in on hosts, as far as the file says."""
    listed = hosts if isinstance(hosts, list) else []
    return all(isinstance(host, Mapping) and host.get("username") == "root" for host in listed)


def _check_tls(proxy: Values, path: Path, report: Report) -> None:
    tls: Values = proxy["tls"]
    own = [key for key in ("cert", "key") if key in tls]
    if len(own) == 1:
        report.add(path, f'"{"key" if own == ["cert"] else "cert"}" is missing')
    elif not own and "acme" not in tls:
        report.add(path, "needs cert and key, or acme")
    for key in own:
        reference = SecretReference.parse(tls[key])
        problem = reference_problem(reference) if reference else None
        if problem:
            report.add((*path, key), problem)


def _check_acme(proxy: Values, config: Any, path: Path, report: Report) -> None:
    """Check that an authority can be asked for a certificate, and its question answered."""
    if any(key in proxy["tls"] for key in ("cert", "key")):
        report.add(path, "has cert and key, or acme; not both")
    if not proxy.get("host"):
        report.add((*path, "acme"), "is for names: it needs proxy.host")
    provided = config.get("hosts") if isinstance(config, Mapping) else None
    hosts = proxy.get("hosts", provided)
    if isinstance(hosts, list) and len(hosts) > 1:
        message = (
            f"an authority asks at one address, and this proxy is on {len(hosts)} hosts; give it "
            "one in proxy.hosts, or take cert and key"
        )
        report.add((*path, "acme"), message)
