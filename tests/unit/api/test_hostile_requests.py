"""Whatever is sent: never a 5xx, never a word about the machine, always problem details."""

from __future__ import annotations

import json
from typing import Any

import pytest

#: Operation -> a body that is right.
BODIES: dict[str, dict[str, Any]] = {
    "/deployments": {
        "fraise": "api", "environment": "production", "version": "v1", "strategy": "rolling",
        "health_check_delay": 1, "dry_run": False, "force": False, "backup": None,
    },
    "/deployments/DEPLOYMENT/rollback": {
        "to_version": "v1", "reason": "r", "strategy": "rolling", "force": False,
    },
    "/deployments/DEPLOYMENT/cancel": {},
    "/deployments/DEPLOYMENT/resume": {},
    "/fraises/api/environments/production/unlock": {"reason": "I looked"},
}  # fmt: skip
TEXTS = [
    "", " ", "x" * 10_000, "a\nb", "a\r\nX-Injected: 1", "\x00", "\x1b[31m", "\u202ecod", "‮",
    "\ud800", "-x", "--upload-pack=touch /tmp/pwned", "{{ 7*7 }}", "{% raw %}", "$(id)", "`id`",
    "../../etc/passwd", "refs/../x", "@{-1}", "0" * 40, "é" * 300, "\uff41pi", "' OR 1=1", "*", ".",
]  # fmt: skip
OTHERS = [
    None, True, False, 0, -1, 2**63, -(2**63) - 1, 10**400, 1e308, 0.1, [], {}, [1], {"a": 1},
    ["x"], {"__class__": "x"},
]  # fmt: skip
ALLOWED = {200, 201, 202, 400, 401, 403, 404, 409, 413, 415, 422, 429}


def path_of(server, path: str) -> str:
    """Return a path that leads to a deployment which exists."""
    return path.replace("DEPLOYMENT", server.deploy()["id"])


def check(server, answer) -> None:
    """Assert that an answer is one that a client can live with."""
    assert answer.status_code in ALLOWED, answer.text[:500]
    assert str(server.folder) not in answer.text
    for word in ("Traceback", "sqlalchemy", "SELECT", "site-packages", "marshmallow"):
        assert word not in answer.text
    if answer.status_code >= 400:
        assert answer.content_type == "application/problem+json"
        problem = json.loads(answer.text)
        assert problem["status"] == answer.status_code
        assert problem["code"]
        assert problem["title"]


@pytest.mark.parametrize("path", BODIES)
def test_an_unknown_field_is_refused_by_its_path(server, path: str) -> None:
    answer = server.post(path_of(server, path), {**BODIES[path], "forse": True})
    assert answer.status_code == 422
    assert [wrong["path"] for wrong in answer.get_json()["errors"]] == ["$.forse"]


def test_every_problem_of_a_request_is_told_at_once(server) -> None:
    body = {"environment": 5, "health_check_delay": "5", "dry_run": "yes", "backup": "yes"}
    wrong = server.post("/deployments", body).get_json()["errors"]
    assert sorted(each["path"] for each in wrong) == [
        "$.backup", "$.dry_run", "$.environment", "$.fraise", "$.health_check_delay",
    ]  # fmt: skip
    assert all(each["message"] for each in wrong)


#: A body that is no JSON object of a request -> how it is answered.
NO_OBJECTS = [
    (b"{", 400),
    (b'{"fraise": "api"', 400),
    (b"[]", 422),
    (b'"text"', 422),
    (b"null", 422),
    (b"7", 422),
    (b"[" * 100_000, 400),
    (b'{"a":' * 100_000, 400),
    (b'{"fraise": NaN}', 400),
    (b'{"health_check_delay": Infinity}', 400),
    (b'{"fraise": "a", "fraise": "b"}', 400),
    (b'{"health_check_delay": ' + b"9" * 10_000 + b"}", 400),
    (b'{"health_check_delay": 1e999}', 422),
    (b'{"fraise": "\xff"}', 400),
    ('{"fraise": "é"}'.encode("latin-1"), 400),
    ("{}".encode("utf-16"), 400),
    (b"x" * (1 << 20), 400),
    (b"x" * ((1 << 20) + 1), 413),
]


@pytest.mark.parametrize("path", BODIES)
def test_a_body_that_is_no_json_object_is_refused(server, path: str) -> None:
    real = path_of(server, path)
    for body, status in NO_OBJECTS:
        answer = server.ask("POST", f"/api/v1{real}", data=body, content_type="application/json")
        check(server, answer)
        assert answer.status_code in (status, 422), (body[:30], answer.text)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
def test_a_body_in_another_form_is_415(server, headers: dict[str, str]) -> None:
    answer = server.ask("POST", "/api/v1/deployments", data=b"{}", headers=headers)
    check(server, answer)
    assert answer.status_code == 415


def test_an_unknown_parameter_is_refused(server) -> None:
    answer = server.get("/deployments?limt=5")
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [{"path": "query.limt", "message": "Unknown field."}]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é\x85"])
def test_a_key_that_is_none_is_refused(server, key: str) -> None:
    body = BODIES["/deployments"]
    answer = server.post("/deployments", body, headers={"Idempotency-Key": key})
    check(server, answer)
    assert answer.get_json()["errors"][0]["path"] == "header.Idempotency-Key"


def test_an_error_of_our_own_making_says_nothing(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """S14."""
    monkeypatch.setattr(type(server.store), "count", lambda *_: 1 / 0)
    answer = server.get("/deployments")
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert set(answer.get_json()) == {"status", "code", "title"}


@pytest.mark.parametrize(
    "path",
    ["/api/v1//fraises", "/api//v1/fraises", "/health//live", "/api/v1/fraises/", "/api/v1//x",
     "/api//docs", "/metrics/"],
)  # fmt: skip
def test_another_way_to_write_a_path_is_not_found_and_sent_nowhere(server, path: str) -> None:
    answer = server.client.get("/", environ_overrides={"PATH_INFO": path})
    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize("host", ["[::1", "[x]", "a b", "x:99999", "", "x\u00e9", "http://[::1/"])
def test_a_host_that_cannot_be_read_is_no_defect(server, host: str) -> None:
    answer = server.client.get("/health/live", environ_overrides={"HTTP_HOST": host})
    assert answer.status_code in (200, 400, 404)
