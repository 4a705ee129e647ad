"""The control API over HTTP. This version answers how it is; deployments come with tokens."""

from fraisier.api.app import create_app

__all__ = ["create_app"]
