"""What is configured, over HTTP: fraises, environments, providers, and what targets run."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from fraisier.api import environments, figures
from fraisier.api.access import who
from fraisier.api.answers import (
    Deployment,
    FraiseItem,
    FraisePage,
    ProviderPage,
    TargetStatuses,
    Unlocked,
)
from fraisier.api.asks import ListQuery, PromoteRequest, StatusQuery, UnlockRequest
from fraisier.api.deployments import LOCATION, accepted
from fraisier.api.foreign import Foreign
from fraisier.api.glass import require_glass
from fraisier.api.pages import page_of_all
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.config.providers import origin
from fraisier.domain.token import Scope
from fraisier.engine.deployments import Wish
from fraisier.engine.views import fraise_json, provider_json


def blueprints(services: Services) -> list[Routes]:
    """Return the routes of fraises, environments and providers."""
    return [_fraises(services), environments.blueprint(services), _providers(services)]


def _fraises(services: Services) -> Routes:
    routes = Routes(
        "fraises", __name__, url_prefix="/api/v1/fraises", description="Services.",
        foreign=Foreign.HIDDEN,
    )  # fmt: skip

    @routes.operation("GET", "", Scope.READ, FraisePage, query=ListQuery)
    def fraises(query: dict[str, Any]) -> Response:
        """List the configured fraises and where each is deployed."""
        return page_of_all("fraises", services.looks.fraises(), **query)

    @routes.operation("GET", "/<name:fraise>", Scope.READ, FraiseItem)
    def fraise(fraise: str) -> Response:
        """Show one fraise."""
        return jsonify(fraise_json(services.catalogue.fraise(fraise)))

    @routes.operation("GET", "/<name:fraise>/status", Scope.READ, TargetStatuses, query=StatusQuery)
    def status(query: dict[str, Any], fraise: str) -> Response:
        """Show what a fraise's hosts run, as they last told, and whether a target is held."""
        return jsonify({"targets": services.looks.status(fraise, query["environment"])})

    @routes.operation(
        "POST", "/<name:fraise>/environments/<name:environment>/unlock", Scope.ADMIN, Unlocked,
        body=UnlockRequest,
    )  # fmt: skip
    def unlock(body: dict[str, Any], fraise: str, environment: str) -> Response:
        """Release a target that is held after a failed rollback or an interruption."""
        released = services.deployments.unlock(fraise, environment, body["reason"], who())
        return jsonify({"released": released})

    @routes.operation(
        "POST", "/<name:fraise>/environments/<name:environment>/promote", Scope.DEPLOY, Deployment,
        202, body=PromoteRequest, keyed=True, headers=LOCATION, problems=(502,),
    )  # fmt: skip
    def promote(
        body: dict[str, Any], headers: dict[str, Any], fraise: str, environment: str
    ) -> Response:
        """Deploy here exactly the version that last succeeded in another environment.

        It is refused where nothing did, or where what came after it there failed.
        """
        require_glass(services, body, "promote", f"{fraise} {environment}")
        wish = Wish(
            fraise,
            environment,
            who(),
            strategy=body["strategy"],
            force=body["force"],
            idempotency_key=headers["key"],
            reason=body["reason"] or "",
            backup=body["backup"] is not False,
            break_glass=body["break_glass"],
        )
        with services.slow():
            return accepted(services.deployments.promote(wish, body["source"]))

    figures.add(routes, services)
    return routes


def _providers(services: Services) -> Routes:
    routes = Routes(
        "providers", __name__, url_prefix="/api/v1/providers", description="Providers.",
        foreign=Foreign.SHARED,
    )  # fmt: skip

    @routes.operation("GET", "", Scope.READ, ProviderPage, query=ListQuery)
    def providers(query: dict[str, Any]) -> Response:
        """List the providers and what they can do."""
        found = [provider for _, provider in sorted(services.catalogue.providers.items())]
        shown = [{**provider_json(each), "source": origin(each)} for each in found]
        return page_of_all("providers", shown, **query)

    return routes
