"""What `doctor` says of who else may change what Fraisier does, or listen to its API."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from fraisier.domain.catalogue import Catalogue
from fraisier.domain.secret import SecretReference

#: The subject, the finding, and how to fix it.
Finding = tuple[str, str, str]

_BIND_FIX = (
    "set FRAISIER_BIND=127.0.0.1:8000 and let a reverse proxy with TLS on this machine pass "
    "requests on; where the proxy is elsewhere, bind to the one address that it reaches"
)


def bind_exposure(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Warn where the API is to listen on every address of this machine, in plain HTTP.

    FRAISIER_IMAGE is set in a container image, where whoever starts it publishes the port.
    """
    bind = environ.get("FRAISIER_BIND", "")
    if bind and not environ.get("FRAISIER_IMAGE") and _is_everywhere(bind.rpartition(":")[0]):
        said = f"FRAISIER_BIND={bind}: the API listens on every address of this machine without TLS"
        yield "bind", f"{said}, and tokens can be read on the way", _BIND_FIX


def _is_everywhere(host: str) -> bool:
    """True for an address that stands for all, however it is written: 0.0.0.0, [::], 0, *."""
    if host == "*":
        return True
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):  # a name, or no address at all
        return False
    address = ipaddress.ip_address(str(found[0][4][0]))
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_unspecified


def writable_files(catalogue: Catalogue) -> Iterator[Finding]:
    """Warn of files that every account of this machine may exchange or write.

    These are the configuration, inventories and playbooks, which say what runs on the hosts, the
    files of secrets, and those by which hosts are reached.
    """
    file = Path(catalogue.path)
    files = {
        "configuration file": {file},
        "secret file": _secrets(catalogue, file.parent),
        "SSH file": _of_ssh(catalogue),
        "inventory": {Path(t.inventory.inventory) for t in catalogue.targets() if t.inventory},
        "playbook": _playbooks(catalogue),
    }
    for name, paths in files.items():
        for path in sorted(paths):
            part = _open_to_all(path)
            if part is not None:
                by = "" if part == path.resolve() else f", by {part}"
                said = f"every account of this machine may change {path}{by}"
                yield name, said, f"chmod o-w {part}"


def _secrets(catalogue: Catalogue, base: Path) -> set[Path]:
    """Return the files that references to secrets name."""
    return {
        base / os.path.expanduser(each.name)
        for each in _references(catalogue)
        if each.kind == "file" or (each.kind == "vault" and "\n" not in each.name)
    }


def _of_ssh(catalogue: Catalogue) -> set[Path]:
    """Return the keys that log in to hosts, and the files of pinned host keys."""
    hosts = [
        host for target in catalogue.targets() for host in (*target.hosts, *target.proxy_hosts)
    ]
    named = {path for host in hosts for path in (host.ssh_key_path, host.known_hosts) if path}
    return set(map(Path, named))


def _references(catalogue: Catalogue) -> Iterator[SecretReference]:
    for target in catalogue.targets():
        yield from filter(None, map(SecretReference.parse, target.secrets.values()))
    for receiver in catalogue.receivers:
        yield from receiver.secrets
        if isinstance(receiver.url, SecretReference):
            yield receiver.url
    for git_host in catalogue.git_hosts.values():
        yield from (*git_host.secrets, *git_host.keys)


def _playbooks(catalogue: Catalogue) -> set[Path]:
    """Return the files of providers of one's own; the others are named as in a collection."""
    named = (name for each in catalogue.providers.values() for name in each.playbooks.values())
    return {Path(name) for name in named if os.path.isabs(name)}


def _open_to_all(path: Path) -> Path | None:
    """Return the file, or the folder above it, by which every account may exchange it."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of symbolic links; its reader reports it
        return None
    parts = (real, *real.parents, *path.absolute().parents)
    return next((part for part in parts if _writable(part)), None)


def _writable(path: Path) -> bool:
    """True where every account may write; in a folder like /tmp it may not exchange a file."""
    try:
        mode = path.stat().st_mode
    except OSError:  # missing or unreadable: its reader reports it
        return False
    sticky = stat.S_ISDIR(mode) and mode & stat.S_ISVTX
    return bool(mode & stat.S_IWOTH) and not sticky
