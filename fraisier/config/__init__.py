"""Configuration: `fraises.yaml` and the environment, turned into values of the domain."""

from fraisier.config.example import example_config
from fraisier.config.keys import iter_keys
from fraisier.config.loader import load
from fraisier.config.providers import load_providers
from fraisier.config.schema import published_schema
from fraisier.config.secrets import resolve, resolve_all
from fraisier.config.settings import Settings

__all__ = [
    "Settings",
    "example_config",
    "iter_keys",
    "load",
    "load_providers",
    "published_schema",
    "resolve",
    "resolve_all",
]
