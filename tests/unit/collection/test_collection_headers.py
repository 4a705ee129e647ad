"""Headers that are secrets: they come to the request, and no header and no query is shown."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    around,
    compose_options,
    coolify_options,
    health,
    options,
    running,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_measures import (
    Scene,
    Unmeasured,
    measure_of,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_rules import read_metrics
from ansible_collections.fraisier.deploy.plugins.module_utils.check import Check
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.headers import (
    HIDDEN,
    with_secret_headers,
    without_queries,
    without_values,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.health import Place
from ansible_collections.fraisier.deploy.plugins.module_utils.http_try import UNFIT
from ansible_collections.fraisier.deploy.plugins.module_utils.module import Module
from ansible_collections.fraisier.deploy.plugins.modules import health_gate, proxy_backend

CANARY = "canary-2f9c1b"
URL = f"http://127.0.0.1:1/health?key={CANARY}"
CHECK = {"type": "http", "url": URL, "headers": {"Private-Key": CANARY, "Accept": "https"}}
SMOKE = {"url": URL, "headers": {"X-Api-Key": CANARY}}
SECRETS = {"health_check/X-Api-Key": "s3cret-1", "smoke/1/Authorization": "Bearer s3cret-2"}
NAMED = {"fraise": "my_api", "environment": "production"}
BARE = {**NAMED, "repository": "/srv/git", "app_path": "/opt/my-api", "service_name": "my-api",
        "service_user": "root"}  # fmt: skip
COMPOSE = {**NAMED, "docker_compose_file": "/srv/compose.yml", "service": "web"}
COOLIFY = {**NAMED, "url": "https://coolify.example.com", "application_uuid": "abc"}


def test_secret_headers_come_to_their_requests_and_leave_the_options_alone() -> None:
    service = {"health_check": CHECK, "around": {"smoke": ["true", SMOKE]}}
    before = json.dumps(service)
    found = with_secret_headers(service, SECRETS)
    assert found["health_check"]["headers"] == {**CHECK["headers"], "X-Api-Key": "s3cret-1"}
    assert found["around"]["smoke"][0] == "true"
    tested = {"X-Api-Key": CANARY, "Authorization": "Bearer s3cret-2"}
    assert found["around"]["smoke"][1]["headers"] == tested
    assert json.dumps(service) == before


@pytest.mark.parametrize(
    "place",
    [
        "X-Api-Key", "health_check", "health_check/", "smoke/0/A", "smoke/2/A", "smoke/-1/A",
        "smoke/x/A", "around/A", "health_check/0/A", "/A", "",
    ],
)  # fmt: skip
def test_a_secret_header_of_no_request_is_refused(place: str) -> None:
    service = {"health_check": CHECK, "around": {"smoke": ["true", SMOKE]}}
    with pytest.raises(Failure) as caught:
        with_secret_headers(service, {place: "s3cret"})
    assert caught.value.code == "service_invalid"
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"
    none: dict[str, Any] = {"health_check": None, "around": None}
    with pytest.raises(Failure):
        with_secret_headers(none, {"smoke/0/A": "s3cret"})


@pytest.mark.parametrize("check", [None, {"type": "tcp", "port": 1}, {"type": "exec"}])
def test_a_check_that_makes_no_request_needs_no_header(check: dict[str, Any] | None) -> None:
    service = {"health_check": check}
    assert with_secret_headers(service, {"health_check/A": "s3cret"}) == service


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URL, f"http://127.0.0.1:1/health?{HIDDEN}"),
        ("HTTPS://a/?", f"HTTPS://a/?{HIDDEN}"),
        ("https://a/b?c='d'&e=f#g", f"https://a/b?{HIDDEN}"),
        ("curl -f 'https://a/b?c=d' https://e/f?g", f"curl -f 'https://a/b?{HIDDEN}' "
                                                    f"https://e/f?{HIDDEN}"),
        ("postgres://db/x?password=y", f"postgres://db/x?{HIDDEN}"),
        ("https://a/b", "https://a/b"),
        ("is it well? yes", "is it well? yes"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_queries_of_urls_are_not_shown(text: str, shown: str) -> None:
    assert without_queries(text) == shown


def test_options_are_shown_without_headers_and_queries() -> None:
    given = {"health_check": CHECK, "around": {"smoke": ["true", SMOKE]}, "port": 1, "a": None,
             "proxy": {"health_path": f"/health?key={CANARY}"}}  # fmt: skip
    shown = without_values(given)
    assert CANARY not in json.dumps(shown)
    assert shown["health_check"]["headers"] == {"Private-Key": HIDDEN, "Accept": HIDDEN}
    assert shown["proxy"]["health_path"] == f"/health?{HIDDEN}"
    assert (shown["around"]["smoke"][0], shown["port"], shown["a"]) == ("true", 1, None)


def ran(module: Any, given: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Run a module's main in this process; return its answer, and all that it printed."""
    out = io.StringIO()
    with patch_module_args(given), redirect_stdout(out), pytest.raises(SystemExit):
        module.main()
    return json.loads(out.getvalue()), out.getvalue()


def test_a_module_shows_no_header_and_no_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at `-vvv` nor in the log of the host; other texts stay as they are."""
    logged: list[str] = []
    monkeypatch.setattr(Module, "log", lambda _self, msg, log_args=None: logged.append(str(msg)))
    given = {
        "health_check": {**CHECK, "retries": 0},
        "secret_headers": {"health_check/X-Api-Key": "s3cret-1"},
        "healthy_deadline": 0.2,
    }
    answer, printed = ran(health_gate, given)
    assert answer["code"] == "health_check_failed"
    assert answer["invocation"]["module_args"]["health_check"]["headers"]["Accept"] == HIDDEN
    for text in (printed, *logged):
        assert CANARY not in text
        assert "s3cret-1" not in text
    assert any("Invoked with" in text and HIDDEN in text for text in logged), "it logs as ever"


@pytest.mark.parametrize(
    ("spec", "read", "service"),
    [
        (options.service_options, running.service_of, BARE),
        (lambda: compose_options.compose_options(fence=False), compose_options.service_of, COMPOSE),
        (lambda: coolify_options.coolify_options(fence=False), coolify_options.service_of, COOLIFY),
    ],
)
def test_every_provider_adds_secret_headers_and_hides_them(
    spec: Any, read: Any, service: dict[str, Any]
) -> None:
    smoke = {} if service is COOLIFY else {"around": {"smoke": ["true", SMOKE]}}
    secrets = {k: v for k, v in SECRETS.items() if smoke or k.startswith("health_check/")}
    given = {"service": {**service, "health_check": CHECK, **smoke}, "secret_headers": secrets}
    wanted = {**spec(), "fence": {"type": "dict"}}
    access = {"secret_coolify": {"token": "t0ken"}} if service is COOLIFY else {}
    with patch_module_args({**given, **access}):
        module = Module(argument_spec=wanted)
        found = read(module)
    assert found.check.headers["X-Api-Key"] == "s3cret-1"
    assert {"s3cret-1"} <= module.no_log_values
    assert CANARY not in module.no_log_values, "what is no secret is not hidden in other texts"
    assert "s3cret" not in repr(found)
    if smoke:
        test = around.parse(found.around).smoke[1]
        assert test.check is not None
        assert test.check.headers["Authorization"] == "Bearer s3cret-2"
        assert CANARY not in test.name
        assert CANARY not in repr(test.check.headers["Authorization"])


@pytest.mark.parametrize(
    "check",
    [
        Check("http", url="http://127.0.0.1:1/", headers={"X-Key": f"{CANARY}\nX: y"}),
        Check("http", url="http://127.0.0.1:1/", headers={"X-Key": f"{CANARY}\u20ac"}),
        Check("http", url="http://127.0.0.1:1/", headers={f"{CANARY}\n": "y"}),
        Check("http", url=f"http://127.0.0.1:1/?key={CANARY} x"),
        Check("http", url=f"http://127.0.0.1:{CANARY}/"),
        Check("http", url=f"http://[{CANARY}/"),
        Check("http", url=f"http://a\uff0f{CANARY}/"),
        Check("http", url=f"http://{'x' * 70}.{CANARY}/"),
    ],
)
def test_why_a_request_cannot_be_made_holds_none_of_it(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = SimpleNamespace(shutdown=lambda _: None, close=lambda: None, sendall=lambda _: None)
    if "x" * 70 not in check.url:
        monkeypatch.setattr(health.http_try, "connect", lambda *_: quiet)
    healthy, seen = health.attempt(check, Place(), 5)
    assert (healthy, seen) == (False, UNFIT)


def test_errors_and_names_hold_no_query() -> None:
    with pytest.raises(Failure) as caught:
        health.parse({"type": "http", "url": f"ftp://a/?key={CANARY}"}, None, 60)
    assert CANARY not in caught.value.message
    assert health.parse({"type": "http", "url": f"http://[{CANARY}"}, None, 60)
    (entry,) = around.parse({"smoke": [{"url": URL}]}).smoke
    assert entry.name == f"http://127.0.0.1:1/health?{HIDDEN}"
    metric = {"type": "prometheus", "url": f"ftp://a?key={CANARY}", "query": "up",
              "success_condition": "result > 0"}  # fmt: skip
    with pytest.raises(Unmeasured) as unmeasured:
        measure_of(read_metrics([metric])[0], Scene(figures=lambda: None))()
    assert CANARY not in str(unmeasured.value)


def test_the_proxys_configuration_is_shown_without_the_query_of_its_check() -> None:
    line = f'    http-check send meth GET uri "/health?key={CANARY}" ver HTTP/1.1 hdr Host a\n'
    shown = proxy_backend._without_query(f"backend b\n{line}    http-check expect status 200\n")
    assert CANARY not in shown
    assert f'uri "/health?{HIDDEN}" ver HTTP/1.1 hdr Host a\n    http-check expect' in shown
