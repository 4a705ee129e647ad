"""The identity of a configuration: what processes compare to see that they hold the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from fraisier.domain.catalogue import Provider

LENGTH = 12


def digest_of(data: Any, providers: Mapping[str, Provider]) -> str:
    """Return the digest of a file's values as written, and of the providers.

    Comments, the place of the files, and the environment make no difference.
    """
    parts = [data, [_provider(provider) for _, provider in sorted(providers.items())]]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]


def _provider(provider: Provider) -> dict[str, Any]:
    playbooks = {
        verb: name.removeprefix(provider.source) for verb, name in provider.playbooks.items()
    }
    return {**vars(provider), "source": "", "playbooks": playbooks}
