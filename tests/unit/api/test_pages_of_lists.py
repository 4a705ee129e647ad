"""Lists over HTTP: pages by cursor, order, bounds, and whether something changed."""

from __future__ import annotations

from typing import Any

import pytest

from fraisier.api import pages
from fraisier.domain.event import Fact
from support.fakes import begin


def walked(server, path: str, noun: str, key: str = "id") -> list[Any]:
    """Return what the pages of a list hold, and assert that its last one says so."""
    found, mark = [], "&"
    while mark:
        answer = server.get(f"{path}{mark}").get_json()
        found += [each[key] for each in answer[noun]]
        cursor = answer["next_cursor"]
        mark = f"&cursor={cursor}" if cursor else ""
        assert len(found) < 100
    return found


def test_a_list_is_read_by_cursor_to_its_end(server) -> None:
    ids = [server.deploy()["id"] for _ in range(5)]
    for limit in (1, 2, 4, 5, 6):
        assert walked(server, f"/deployments?limit={limit}", "deployments") == ids[::-1]
        sort = f"/deployments?limit={limit}&sort=created_at&fraise=api"
        assert walked(server, sort, "deployments") == ids
    assert walked(server, "/fraises?limit=1", "fraises", "name") == ["api"]


def test_events_are_read_by_cursor_to_their_end(server) -> None:
    begun = begin(server.store, server.deploy()["id"])
    server.store.record(begun, [Fact("log.line", None, {"text": str(n)}) for n in range(7)])
    whole = server.get(f"/deployments/{begun.id}/events").get_json()
    numbers = [each["sequence"] for each in whole["events"]]
    assert (
        walked(server, f"/deployments/{begun.id}/events?limit=2", "events", "sequence") == numbers
    )
    assert len(walked(server, f"/deployments/{begun.id}/logs?limit=3", "logs")) == 7


@pytest.mark.parametrize("items", [[], ["a"], ["a", "b", "c", "d"]])
def test_a_list_known_as_a_whole_goes_on_where_an_item_has_gone(server, items: list[str]) -> None:
    named = [{"name": each} for each in items]
    with server.app.test_request_context():
        first = pages.page_of_all("x", named, 2, 0).get_json()
        assert (first["next_cursor"] is not None) == (len(items) > 2)
        if first["next_cursor"]:
            place = pages.Place(1, "b")
            for left in (named, [each for each in named if each["name"] != "b"]):
                after = pages.page_of_all("x", left, 9, 0, place).get_json()
                assert [each["name"] for each in after["x"]][-1:] == ["d"]
                assert after["next_cursor"] is None


def test_a_long_list_is_not_counted_to_its_end(server, monkeypatch) -> None:
    for module in ("pages", "lists"):
        monkeypatch.setattr(f"fraisier.api.{module}.COUNTED", 2)
    for exact, total in ((True, 1), (True, 2), (False, 2), (False, 2)):
        server.deploy()
        answer = server.get("/deployments?limit=1").get_json()
        assert (answer["total"], answer["total_exact"]) == (total, exact)


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "%00", "W10", "WzEsMl0", "WyJhIiwiYiJd", "x" * 5000, "_" * 99]
)
def test_a_cursor_that_is_none_is_refused(server, cursor: str) -> None:
    for path in ("/deployments", "/fraises", "/workers", "/providers"):
        answer = server.get(f"{path}?cursor={cursor}")
        assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_arguments")


def test_times_bound_a_list_and_an_unknown_order_is_refused(server) -> None:
    first = server.deploy()
    query = {"until": first["created_at"]}
    assert server.ask("GET", "/api/v1/deployments", query_string=query).get_json()["total"] == 0
    query = {"since": first["created_at"], "until": "2999-01-01T00:00:00Z"}
    assert server.ask("GET", "/api/v1/deployments", query_string=query).get_json()["total"] == 1
    assert server.get("/deployments?sort=reason").status_code == 422


def test_what_has_not_changed_is_304_without_a_body(server) -> None:
    deployment = server.deploy()["id"]
    for path in ("/deployments", f"/deployments/{deployment}", "/fraises"):
        tag = server.get(path).headers["ETag"]
        again = server.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b"")
    server.post(f"/deployments/{deployment}/cancel")
    path = f"/deployments/{deployment}"
    tag = server.get("/fraises").headers["ETag"]
    assert server.get(path, headers={"If-None-Match": tag}).status_code == 200
    stale = server.ask("GET", f"/api/v1{path}", scope=None, headers={"If-None-Match": tag})
    assert stale.status_code == 401


def test_every_list_takes_a_cursor_and_says_where_it_goes_on(server) -> None:
    document = server.ask("GET", "/api/v1/openapi.json", scope=None).get_json()
    seen = 0
    for path, methods in document["paths"].items():
        names = {each["name"] for each in methods.get("get", {}).get("parameters", [])}
        if "limit" in names:
            assert "cursor" in names, f"{path}: use ListQuery, and give page() where it goes on"
            seen += 1
    assert seen > 8
