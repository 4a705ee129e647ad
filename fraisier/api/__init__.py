"""The control API over HTTP: the engine's verbs behind tokens, described by an OpenAPI document."""

from fraisier.api.app import create_app
from fraisier.api.services import Services

__all__ = ["Services", "create_app"]
