"""What a fraise's deployments were, over HTTP: one by one, and in figures."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from fraisier.api.answers import DeploymentPage
from fraisier.api.answers_of_figures import FraiseFigures
from fraisier.api.asks import FiguresQuery, HistoryQuery
from fraisier.api.lists import microseconds, page_of_deployments
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.token import Scope
from fraisier.engine.figures import figures_of


def add(routes: Routes, services: Services) -> None:
    """Add the routes to those of fraises."""

    @routes.operation(
        "GET", "/<name:fraise>/history", Scope.READ, DeploymentPage, query=HistoryQuery
    )
    def history(query: dict[str, Any], fraise: str) -> Response:
        """List a fraise's deployments, newest first."""
        services.looks.targets(fraise, query["environment"])  # raises where there is none
        return page_of_deployments(services, query, fraise=fraise)

    @routes.operation(
        "GET", "/<name:fraise>/metrics", Scope.READ, FraiseFigures, query=FiguresQuery
    )
    def figures(query: dict[str, Any], fraise: str) -> Response:
        """Count a fraise's deployments that ended, with their durations and DORA's four keys.

        Without `since` those of the last 30 days.
        """
        services.looks.targets(fraise, query["environment"])  # raises where there is none
        since = microseconds(query["since"])
        return jsonify(figures_of(services.store, fraise, query["environment"], since))
