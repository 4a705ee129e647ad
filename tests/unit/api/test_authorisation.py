"""S1 and S2: every route with every kind of token, on own and on foreign objects: nothing leaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from fraisier.api import access
from fraisier.api.foreign import Foreign
from fraisier.domain.catalogue import Catalogue, Fraise
from fraisier.domain.reach import Reach
from fraisier.domain.token import PREFIX, Scope, Token
from fraisier.engine.checkup import all_unknown
from fraisier.engine.deployments import Deployments, Wish
from fraisier.engine.environment_health import EnvironmentHealth
from fraisier.engine.preview import Previews
from fraisier.engine.tending import CONTROLS
from support.fakes import Inventories, Repositories, ScriptedRunner, begin, make_target
from support.tended import SAVED, TENDED, agreeing

HIDDEN, SHARED, REFUSED = Foreign.HIDDEN, Foreign.SHARED, Foreign.REFUSED
#: No id can hold the names of what is foreign: its letters are not those of ids.
OWN, FOREIGN, MISSING = ("shop", "production"), ("zebra_crossing", "uluru"), ("qq7", "pp6")


@dataclass(frozen=True)
class Row:
    """What a route needs, and what a request to it says; `{fraise}` and the like are filled in.

    `query` and `body` name an object wherever the route takes one: of own, foreign and missing.
    """

    scope: Scope | None
    foreign: Foreign | None
    body: dict[str, Any] = field(default_factory=dict)
    query: str = ""


OPEN = Row(None, None)
TARGET = {"fraise": "{fraise}", "environment": "{environment}"}
#: Every route there is. To add one, write a line: its method and path as in the url_map, what it
#: needs, how it treats what a token does not reach, and what its requests say.
SERVICE = "/api/v1/fraises/<fraise>/environments/<environment>"
ROWS = {
    "GET /api/v1/deployments": Row(
        Scope.READ, HIDDEN, query="fraise={fraise}&environment={environment}"
    ),
    "POST /api/v1/deployments": Row(Scope.DEPLOY, HIDDEN, TARGET),
    "GET /api/v1/deployments/<deployment_id>": Row(Scope.READ, HIDDEN),
    "POST /api/v1/deployments/<deployment_id>/cancel": Row(Scope.DEPLOY, HIDDEN),
    "POST /api/v1/deployments/<deployment_id>/resume": Row(Scope.DEPLOY, HIDDEN),
    "POST /api/v1/deployments/<deployment_id>/rollback": Row(Scope.DEPLOY, HIDDEN),
    "GET /api/v1/deployments/<deployment_id>/events": Row(Scope.READ, HIDDEN),
    "GET /api/v1/deployments/<deployment_id>/logs": Row(Scope.READ, HIDDEN),
    "GET /api/v1/fraises": Row(Scope.READ, HIDDEN),
    "GET /api/v1/fraises/<fraise>": Row(Scope.READ, HIDDEN),
    "GET /api/v1/fraises/<fraise>/status": Row(
        Scope.READ, HIDDEN, query="environment={environment}"
    ),
    "POST /api/v1/fraises/<fraise>/environments/<environment>/unlock": Row(
        Scope.ADMIN, HIDDEN, {"reason": "seen"}
    ),
    "POST /api/v1/fraises/<fraise>/environments/<environment>/promote": Row(
        Scope.DEPLOY, HIDDEN, {"from": "{environment}"}
    ),
    "GET /api/v1/environments": Row(Scope.READ, HIDDEN),
    "GET /api/v1/environments/<environment>": Row(Scope.READ, HIDDEN),
    "GET /api/v1/providers": Row(Scope.READ, SHARED),
    "GET /api/v1/queue": Row(Scope.READ, HIDDEN),
    "POST /api/v1/queue/pause": Row(Scope.ADMIN, REFUSED, {"reason": "now"}),
    "POST /api/v1/queue/resume": Row(Scope.ADMIN, REFUSED),
    "GET /api/v1/workers": Row(Scope.READ, HIDDEN),
    "GET /api/v1/webhook-endpoints": Row(Scope.READ, REFUSED),
    "POST /api/v1/webhook-endpoints/<endpoint>/test": Row(Scope.ADMIN, REFUSED),
    "GET /api/v1/webhook-endpoints/deliveries": Row(Scope.READ, REFUSED),
    "GET /api/v1/webhook-endpoints/<endpoint>/deliveries": Row(Scope.READ, REFUSED),
    "POST /api/v1/webhook-endpoints/deliveries/<delivery_id>/redeliver": Row(Scope.ADMIN, REFUSED),
    "GET /api/v1/webhooks/deliveries": Row(Scope.READ, REFUSED),
    "POST /api/v1/webhooks/deliveries/<delivery_id>/redeliver": Row(Scope.DEPLOY, REFUSED),
    "POST /api/v1/webhooks/<provider>": OPEN,
    "GET /api/v1/auth/tokens": Row(Scope.ADMIN, REFUSED),
    "POST /api/v1/auth/tokens": Row(Scope.ADMIN, REFUSED, {"name": "new"}),
    "POST /api/v1/auth/tokens/<token_id>/rotate": Row(Scope.ADMIN, REFUSED),
    "DELETE /api/v1/auth/tokens/<token_id>": Row(Scope.ADMIN, REFUSED),
    "GET /api/v1/freezes": Row(Scope.READ, REFUSED),
    "POST /api/v1/freezes": Row(Scope.ADMIN, REFUSED, {"reason": "x"}),
    "DELETE /api/v1/freezes/<freeze_id>": Row(Scope.ADMIN, REFUSED),
    "GET /api/v1/audit": Row(Scope.ADMIN, REFUSED),
    "GET /api/v1/environments/<environment>/config": Row(Scope.READ, HIDDEN),
    "GET /api/v1/environments/<environment>/health": Row(Scope.READ, HIDDEN),
    "GET /api/v1/fraises/<fraise>/history": Row(
        Scope.READ, HIDDEN, query="environment={environment}"
    ),
    "GET /api/v1/fraises/<fraise>/metrics": Row(
        Scope.READ, HIDDEN, query="environment={environment}"
    ),
    f"POST {SERVICE}/probe": Row(Scope.READ, HIDDEN),
    f"GET {SERVICE}/app/status": Row(Scope.READ, HIDDEN),
    f"GET {SERVICE}/app/logs": Row(Scope.READ, HIDDEN),
    **{f"POST {SERVICE}/app/{verb}": Row(Scope.DEPLOY, HIDDEN) for verb in CONTROLS},
    f"POST {SERVICE}/app/exec": Row(Scope.ADMIN, HIDDEN, {"command": ["true"]}),
    f"GET {SERVICE}/backups": Row(Scope.READ, HIDDEN),
    f"POST {SERVICE}/backups": Row(Scope.DEPLOY, HIDDEN),
    f"POST {SERVICE}/backups/restore": Row(Scope.ADMIN, HIDDEN),
    "GET /metrics": Row(Scope.METRICS, REFUSED),
    **{
        f"GET {prefix}/health{part}": OPEN
        for prefix in ("", "/api/v1")
        for part in ("", "/live", "/ready", "/database", "/nats", "/providers")
    },
    "GET /api/v1/openapi.json": OPEN,
    "GET /api/docs": OPEN,
    "GET /api/docs.css": OPEN,
}
CLOSED = {route: row for route, row in ROWS.items() if row.scope is not None}
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}
#: 404s that say of an object named in the request that it is not there.
NOT_THERE = ("deployment_not_found", "fraise_not_found", "environment_not_found")


class World:
    """A server with deployments of an own and of a foreign target, running and waiting."""

    def __init__(self, server: Any) -> None:
        self.server = server
        targets = [
            make_target(f"{f}-host", fraise=f, environment=e, service=SAVED)
            for f, e in (OWN, FOREIGN)
        ]
        fraises = {
            target.fraise: Fraise(target.fraise, "api", "", {target.environment: target})
            for target in targets
        }
        catalogue = Catalogue("fraises.yaml", fraises, {"bare_metal": TENDED})
        deployments = Deployments(catalogue, server.store, Repositories(), Inventories())
        previews = Previews(catalogue, server.store, deployments, ScriptedRunner)
        parts = {
            "catalogue": catalogue,
            "deployments": deployments,
            "previews": previews,
            "tending": agreeing(catalogue, deployments, server.store),
            "health": EnvironmentHealth(lambda target, _: all_unknown([target.fraise], "silent")),
        }
        self.app = server.app
        self.client = server.serve(replace(server.services, **parts))
        self.ids = {}
        for fraise, environment in (OWN, FOREIGN):
            for version in ("running", "waiting"):
                wish = Wish(fraise, environment, f"by-{fraise}", version=f"{version}-{fraise}")
                made = deployments.deploy(wish)
                self.ids.setdefault(fraise, made.id)
            begin(server.store, self.ids[fraise])
        self.ids["qq7"] = "dep_" + "q" * 26
        self.victim = self.token(Scope.READ)[0]

    def token(
        self, scope: Scope, only: str = "*/*", days: float | None = None
    ) -> tuple[Token, str]:
        """Make a token and return it with its secret."""
        return self.server.tokens.create("t", scope, days, "me", Reach.of([only]))

    def ask(self, route: str, secret: str | None, of: tuple[str, str] = OWN) -> TestResponse:
        """Send what the table says to a route, about a target."""
        row, (method, path) = ROWS[route], route.split()
        names = {"fraise": of[0], "environment": of[1], "deployment_id": self.ids[of[0]]}
        names |= {"token_id": self.victim.id, "endpoint": "x", "delivery_id": "x", "provider": "x"}
        names |= {"freeze_id": "frz_x"}
        shown = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        body = json.loads(_filled(json.dumps(row.body), names))
        return self.client.open(
            re.sub(r"<(\w+)>", lambda found: names[found[1]], path), method=method, headers=shown,
            query_string=_filled(row.query, names), environ_overrides=ELSEWHERE,
            **({} if method == "GET" else {"json": body}),
        )  # fmt: skip

    def said(self, route: str, secret: str, of: tuple[str, str]) -> tuple[int, str]:
        """Return an answer without the names that the request had."""
        answer = self.ask(route, secret, of)
        text = answer.text
        for name in (self.ids[of[0]], *of):
            text = text.replace(name, "NAME")
        return answer.status_code, text


@pytest.fixture
def world(server: Any) -> World:
    """Return a new world."""
    return World(server)


def test_s1_every_route_is_in_the_table(world: World) -> None:
    found = dict(_routes(world))
    assert found.keys() == ROWS.keys(), (
        "write a line in ROWS of this file for each new route, such as "
        '"GET /api/v1/things/<thing>": Row(Scope.READ, Foreign.HIDDEN)'
    )
    for route, (scope, foreign) in found.items():
        assert (scope, foreign) == (ROWS[route].scope, ROWS[route].foreign), (
            f"{route}: its operation says {scope} and {foreign}. Say `foreign=` there or where its "
            "Routes are made: HIDDEN (what is foreign does not exist), SHARED (it is about no "
            "target) or REFUSED (it is about everything)"
        )


def test_s1_no_route_opens_without_a_valid_token(world: World) -> None:
    for route in CLOSED:
        is_closed(world, route)


def is_closed(world: World, route: str) -> None:
    secret = world.token(Scope.ADMIN)[1]
    token, revoked = world.token(Scope.ADMIN)
    world.server.tokens.revoke(token.id, "me")
    invalid = {
        "no token": None,
        "bad checksum": secret[:-1] + ("a" if secret[-1] != "a" else "b"),
        "unknown": PREFIX + "x" * 38,
        "expired": world.token(Scope.ADMIN, days=-1)[1],
        "revoked": revoked,
    }
    said = set()
    for kind, shown in invalid.items():
        answer = world.ask(route, shown)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized"), kind
        said.add(answer.get_json()["detail"] if shown else "none")
    assert len(said) == 2, "what is wrong with a token is told to nobody"


def test_s2_a_scope_opens_what_it_reaches_and_nothing_else(world: World) -> None:
    for route in CLOSED:
        opens_by_scope(world, route)


def opens_by_scope(world: World, route: str) -> None:
    for scope in Scope:
        for of in (OWN, FOREIGN):
            answer = world.ask(route, world.token(scope)[1], of)
            if scope.reaches(CLOSED[route].scope):
                assert answer.status_code not in (401, 403), f"{scope} {of}: {answer.text}"
                assert answer.status_code < 500, answer.text
            else:
                assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")


def test_s2_a_restricted_token_sees_its_own_and_no_trace_of_others(world: World) -> None:
    for route in CLOSED:
        shows_its_own_only(world, route)


def shows_its_own_only(world: World, route: str) -> None:
    row, (mine, its) = (
        CLOSED[route],
        [
            world.token(Scope.ADMIN, f"{fraise}/{environment[:2]}*")[1]
            for fraise, environment in (OWN, FOREIGN)
        ],
    )
    own = world.ask(route, mine)
    if row.foreign is REFUSED:
        assert (own.status_code, own.get_json()["code"]) == (403, "forbidden")
        return
    assert own.status_code not in (401, 403), own.text
    assert own.status_code < 500, own.text
    assert (own.get_json() or {}).get("code") not in NOT_THERE, own.text
    for mark in (*FOREIGN, world.ids["zebra_crossing"]):
        assert mark not in own.text
    foreign = world.said(route, mine, FOREIGN)
    assert foreign == world.said(route, mine, MISSING), "it can be told from what does not exist"
    also = world.ask(route, its)
    for mark in (*OWN, "running-shop", world.ids["shop"]):
        assert mark not in also.text or _named(row, route), (mark, also.text)


@pytest.mark.parametrize("log", ["events", "logs"])
def test_s2_a_stream_of_a_foreign_deployment_does_not_exist(world: World, log: str) -> None:
    secret = world.token(Scope.READ, "shop/*")[1]
    shown = {"Authorization": f"Bearer {secret}", "Accept": "text/event-stream"}

    def follow(fraise: str) -> TestResponse:
        path = f"/api/v1/deployments/{world.ids[fraise]}/{log}"
        return world.client.get(path, headers=shown, environ_overrides=ELSEWHERE)

    own = follow("shop")
    assert (own.status_code, own.mimetype) == (200, "text/event-stream")
    own.close()
    foreign, missing = follow("zebra_crossing"), follow("qq7")
    assert foreign.status_code == missing.status_code == 404
    told = foreign.text.replace(world.ids["zebra_crossing"], "ID")
    assert told == missing.text.replace(world.ids["qq7"], "ID")


def test_s2_what_a_restricted_token_asks_changes_nothing_foreign(world: World) -> None:
    secret = world.token(Scope.ADMIN, "shop/*")[1]
    before = world.server.store.deployment(world.ids["zebra_crossing"])
    for route in (route for route in CLOSED if not route.startswith("GET")):
        world.ask(route, secret, FOREIGN)
    assert world.server.store.deployment(world.ids["zebra_crossing"]) == before
    assert world.server.store.paused() is None
    assert world.server.store.token(world.victim.id) == world.victim


def test_s2_counts_and_lists_hold_what_the_token_reaches(world: World) -> None:
    secret = world.token(Scope.READ, "shop/*")[1]

    def told(path: str) -> Any:
        shown = {"Authorization": f"Bearer {secret}"}
        return world.client.get(f"/api/v1{path}", headers=shown).get_json()

    assert told("/deployments")["total"] == 2
    assert told("/deployments?fraise=zebra_crossing")["total"] == 0
    assert told("/fraises")["total"] == told("/environments")["total"] == 1
    assert told("/queue")["queued"] == len(told("/queue")["running"]) == 1
    held = [name for worker in told("/workers")["workers"] for name in worker["running"]]
    assert held == [world.ids["shop"]]


def _named(row: Row, route: str) -> bool:
    """True where the request itself names what is then said to be missing."""
    return "<" in route or bool(row.body) or bool(row.query)


def _filled(text: str, names: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], text)


def _routes(world: World) -> Iterator[tuple[str, tuple[Scope | None, Foreign | None]]]:
    for rule in world.app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"<\1>", rule.rule)
        said = [of(world.app, rule.endpoint) for of in (access.scope_of, access.foreign_of)]
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            yield f"{method} {path}", tuple(said)
