"""Lists of deployments over HTTP, whole or of one fraise."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response

from fraisier.api.cursors import split
from fraisier.api.pages import COUNTED, page
from fraisier.api.services import Services
from fraisier.domain.ports import Filter


def page_of_deployments(services: Services, query: dict[str, Any], **more: Any) -> Response:
    """Return a page of deployments; `query` is a HistoryQuery, `more` further wishes."""
    limit = query["limit"]
    wanted = Filter(
        environment=query["environment"],
        status=query["status"],
        since=microseconds(query["since"]),
        until=microseconds(query["until"]),
        oldest_first=query["sort"] == "created_at",
        place=query["cursor"],
        limit=limit + 1,
        offset=query["offset"],
        **more,
    )
    shown, following = split(services.looks.deployments(wanted), limit, "created_at")
    total = services.store.count(wanted, COUNTED + 1)
    return page("deployments", shown, total, limit, query["offset"], following)


def microseconds(moment: datetime | None) -> int | None:
    """Return a moment in UTC microseconds since 1970."""
    return None if moment is None else round(moment.timestamp() * 1_000_000)
