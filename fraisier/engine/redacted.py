"""A target's configuration as anybody may see it: secrets are references, or not there at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fraisier.deploy.plugins.module_utils.headers import (
    HIDDEN,
    without_queries,
)
from fraisier.domain.catalogue import Target
from fraisier.domain.secret import SecretReference

Json = dict[str, Any]

#: Names of values that are secrets wherever they stand, also where nobody made them a reference.
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|api[_-]?key|private[_-]?key|credential|authori[sz]ation|cookie",
    re.IGNORECASE,
)
#: Names of values that only say where a secret is.
_PLACES = frozenset({"ssh_key_path", "known_hosts"})
#: What stands before the @ of a URL.
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")


def config_json(target: Target) -> Json:
    """Return the configuration of a target as it is understood, defaults filled in."""
    whole = target.as_json()
    shown = {name: plain(value, name) for name, value in whole.items() if name != "secrets"}
    return {**shown, "secrets": {name: _reference(one) for name, one in whole["secrets"].items()}}


def plain(value: Any, name: str = "") -> Any:
    """Return a value without the secrets in it; `name` is what it is called where it stands.

    Any header and any query of a URL may be one.
    """
    if isinstance(value, Mapping):
        if SecretReference.parse(value) is not None:
            return _reference(value)
        hidden = name == "headers"
        parts = [(str(key), part) for key, part in value.items()]
        return {key: _reference(part) if hidden else plain(part, key) for key, part in parts}
    if isinstance(value, list | tuple):
        return type(value)(plain(part, name) for part in value)
    if not isinstance(value, str):
        return value
    if value and name not in _PLACES and _SECRET_NAME.search(name):
        return HIDDEN
    return _USER_INFO.sub(HIDDEN, without_queries(value, name))


def _reference(value: Any) -> Any:
    """Return where a secret is; of a vault's text not even that, for it may be guessed at."""
    found = SecretReference.parse(value)
    if found is None:
        return HIDDEN
    return {found.kind: HIDDEN} if found.kind == "vault" else found.as_json()
