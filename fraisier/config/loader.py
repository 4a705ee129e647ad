"""Loads `fraises.yaml`: found, read, expanded, checked, and turned into the domain's values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fraisier.config.checks import check
from fraisier.config.document import read
from fraisier.config.expand import expand
from fraisier.config.identity import digest_of
from fraisier.config.locate import locate
from fraisier.config.providers import load_providers
from fraisier.config.schema import published_schema
from fraisier.config.targets import build
from fraisier.config.validate import validate
from fraisier.domain.catalogue import Catalogue


def load(
    path: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> Catalogue:
    """Return what the configuration file describes, or raise ConfigurationError with all problems.

    Looked for in `path`, FRAISIER_CONFIG, fraises.yaml in `cwd`, then /etc/fraisier/fraises.yaml.
    """
    file = locate(path, environ, cwd or Path.cwd())
    document = read(file)
    providers = load_providers(file.parent, environ)
    digest = digest_of(document.data, providers)
    data = expand(document.data, document.report, environ)
    validate(data, published_schema(providers), document.report)
    check(document, data, providers, file.parent)
    document.report.raise_if_any("correct the file, then see `fraisier config validate`")
    return replace(build(data, providers, file), digest=digest)
