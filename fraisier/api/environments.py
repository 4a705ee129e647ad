"""Environments over HTTP: what is deployed in each, how it is configured, and how it is."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from fraisier.api.answers import EnvironmentItem, EnvironmentPage
from fraisier.api.answers_of_health import EnvironmentConfig, EnvironmentHealthItem
from fraisier.api.asks import ListQuery
from fraisier.api.foreign import Foreign
from fraisier.api.pages import page_of_all
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.catalogue import Target
from fraisier.domain.errors import Unavailable
from fraisier.domain.token import Scope
from fraisier.engine.redacted import config_json


def blueprint(services: Services) -> Routes:
    """Return the routes of environments."""
    prefix = "/api/v1/environments"
    routes = Routes(
        "environments", __name__, url_prefix=prefix, description="Environments.",
        foreign=Foreign.HIDDEN,
    )  # fmt: skip

    @routes.operation("GET", "", Scope.READ, EnvironmentPage, query=ListQuery)
    def environments(query: dict[str, Any]) -> Response:
        """List the environments and what is deployed in each."""
        return page_of_all("environments", services.looks.environments(), **query)

    @routes.operation("GET", "/<name:environment>", Scope.READ, EnvironmentItem)
    def environment(environment: str) -> Response:
        """Show one environment."""
        return jsonify(services.looks.environment(environment))

    @routes.operation("GET", "/<name:environment>/config", Scope.READ, EnvironmentConfig)
    def config(environment: str) -> Response:
        """Show how an environment's targets are configured; secrets are references."""
        shown = [config_json(target) for target in _targets(services, environment)]
        return jsonify(_without_local(services, {"name": environment, "targets": shown}))

    @routes.operation("GET", "/<name:environment>/health", Scope.READ, EnvironmentHealthItem)
    def health(environment: str) -> Response:
        """Ask every host of an environment whether what is deployed there is well.

        The hosts are asked at most once in 10 seconds; those who ask meanwhile share the answer.
        """
        return jsonify(_health(services, environment))

    return routes


def _targets(services: Services, environment: str) -> list[Target]:
    services.looks.environment(environment)  # raises where there is none
    return [each for each in services.catalogue.targets() if each.environment == environment]


def _health(services: Services, environment: str) -> dict[str, Any]:
    targets = _targets(services, environment)
    if services.health is None:
        raise Unavailable("this server asks no hosts", "ask another one")
    found = services.health.known(targets)
    if found is not None:
        return found
    with services.slow():
        return services.health.of(environment, targets)


def _without_local(services: Services, shown: Any) -> Any:
    """Return what is shown without the paths of this machine that no answer may hold."""
    if isinstance(shown, dict):
        return {name: _without_local(services, value) for name, value in shown.items()}
    if isinstance(shown, list):
        return [_without_local(services, value) for value in shown]
    if not isinstance(shown, str):
        return shown
    if shown in services.local_repositories():
        return "the repository"
    for path, instead in services.hidden().items():
        shown = shown.replace(path, instead)
    return shown
