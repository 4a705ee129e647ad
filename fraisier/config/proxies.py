"""Makes the domain's proxy of a configuration that is known to be good."""

from __future__ import annotations

from collections.abc import Sequence

from fraisier.config.proxy_schema import LETS_ENCRYPT
from fraisier.domain.catalogue import Host, Json, Proxy


def proxy_of(values: Json | None, hosts: Sequence[Host]) -> Proxy | None:
    """Return the proxy that an environment's `proxy` means; `hosts` are those it has of its own."""
    if values is None:
        return None
    name = values.get("host", [])
    own = ("port", "tls_port", "app_port", "drain", "keep_old", "health_path")
    return Proxy(
        kind=values.get("type", "haproxy"),
        names=(name,) if isinstance(name, str) else tuple(name),
        tls=_tls_of(values.get("tls")),
        hosts=tuple(hosts),
        drain_command=tuple(values.get("drain_command", ())),
        undrain_command=tuple(values.get("undrain_command", ())),
        **{key: values[key] for key in own if key in values},
    )


def _tls_of(tls: Json | None) -> bool | Json:
    """Return whether there is https, or from whom its certificate is got."""
    if tls is None or "acme" not in tls:
        return tls is not None
    return {"acme": {"directory": LETS_ENCRYPT, **tls["acme"]}}


def certificate_of(values: Json | None) -> Json:
    """Return the references to the certificate and its key, by purpose; a path is that file."""
    tls = (values or {}).get("tls") or {}
    found = {f"tls:{key}": tls[key] for key in ("cert", "key") if key in tls}
    return {
        purpose: {"file": value} if isinstance(value, str) else value
        for purpose, value in found.items()
    }
