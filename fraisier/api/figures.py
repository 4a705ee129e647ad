"""What a fraise's deployments were, over HTTP: one by one, and in figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, jsonify

from fraisier.api.answers import DeploymentPage
from fraisier.api.answers_of_figures import FraiseFigures
from fraisier.api.asks import FiguresQuery, HistoryQuery
from fraisier.api.pages import page
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.ports import Filter
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
        wanted = Filter(fraise, **{**query, "since": _moment(query["since"])})
        found, total = services.looks.deployments(wanted), services.store.count(wanted)
        return page("deployments", found, total, wanted.limit, wanted.offset)

    @routes.operation(
        "GET", "/<name:fraise>/metrics", Scope.READ, FraiseFigures, query=FiguresQuery
    )
    def figures(query: dict[str, Any], fraise: str) -> Response:
        """Count a fraise's deployments that ended, with their durations and DORA's four keys.

        Without `since` those of the last 30 days.
        """
        services.looks.targets(fraise, query["environment"])  # raises where there is none
        since = _moment(query["since"])
        return jsonify(figures_of(services.store, fraise, query["environment"], since))


def _moment(since: datetime | None) -> int | None:
    """Return a moment in microseconds."""
    return None if since is None else int(since.timestamp() * 1e6)
