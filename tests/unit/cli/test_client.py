"""The client of the control API: what it asks, and what it makes of every kind of answer."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fraisier.cli import problems, shapes, transport
from fraisier.cli.client import RemoteControl
from fraisier.cli.transport import Transport
from fraisier.domain import errors
from fraisier.domain.audit import AuditFilter
from fraisier.domain.deployment import Status
from fraisier.domain.ports import Filter
from fraisier.domain.token import Scope, Token
from fraisier.engine.deployments import Wish
from fraisier.engine.freezes import FreezeWish
from fraisier.engine.views import token_json
from support.samples import (
    ID,
    audit,
    delivery,
    deployment,
    details,
    endpoint,
    event,
    freeze,
    pause,
    plan,
    provider,
    queue,
    received,
    status,
    target,
    tended,
)
from support.stub import Asked, Reply, Stub, serving

TOKEN = "fra_a-token-that-nobody-may-see"
WISH = Wish("api", "production", "cli:me", version="main", force=True, idempotency_key="once")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "PAUSES", (0.0, 0.0, 0.0))


@contextmanager
def remote(*replies: Reply) -> Iterator[tuple[RemoteControl, Stub]]:
    """Give a client, and a server that gives these replies, the last again and again."""
    left = list(replies)
    with serving(lambda _: left.pop(0) if len(left) > 1 else left[0]) as stub:
        yield RemoteControl(Transport(stub.url, TOKEN)), stub


def refused(*replies: Reply) -> errors.FraisierError:
    """Return the error that listing targets ends with."""
    with remote(*replies) as (control, _), pytest.raises(errors.FraisierError) as caught:
        control.targets()
    assert TOKEN not in str(caught.value)
    return caught.value


def test_each_question_goes_to_its_route_with_the_token() -> None:
    def answer(asked: Asked) -> Reply:
        path = asked.path.split("?")[0].removeprefix("/api/v1")
        known: dict[tuple[str, str], Any] = {
            ("GET", "/fraises"): {"fraises": [{"name": "api", "environments": [target()]}]},
            ("GET", "/fraises/api/status"): {"targets": [status()]},
            ("GET", "/deployments"): {"deployments": [deployment()]},
            ("GET", f"/deployments/{ID}"): details(),
            ("GET", f"/deployments/{ID}/events"): {"events": [event(1, "deployment.queued")]},
            ("GET", "/providers"): {"providers": [provider()]},
            ("POST", "/deployments"): plan() if (asked.body or {}).get("dry_run") else deployment(),
            ("POST", f"/deployments/{ID}/rollback"): deployment(),
            ("POST", f"/deployments/{ID}/cancel"): deployment(Status.CANCELLED),
            ("POST", f"/deployments/{ID}/resume"): deployment(Status.IN_PROGRESS),
            ("POST", "/fraises/api/environments/production/unlock"): {"released": ID},
        }
        return Reply(body=known[asked.method, path])

    with serving(answer) as stub:
        control = RemoteControl(Transport(f"{stub.url}/", TOKEN))
        assert control.targets() == [target()]
        assert control.status(None, None) == [status()]
        wanted = Filter("api", "production", "success", 1_000_000, 5)
        assert control.deployments(wanted) == [deployment()]
        assert stub.asked[-1].path == (
            "/api/v1/deployments?fraise=api&environment=production&status=success"
            "&since=1970-01-01T00%3A00%3A01.000Z&limit=5"
        )
        assert control.deployment(ID) == details()
        assert control.events(ID) == [event(1, "deployment.queued")]
        assert control.providers() == [provider()]
        assert control.plan(WISH) == plan()
        assert control.deploy(WISH) == deployment()
        body = {"fraise": "api", "environment": "production", "version": "main", "force": True}
        assert stub.asked[-1].body == body
        assert stub.asked[-1].headers["Idempotency-Key"] == "once"
        assert control.rollback(WISH) == deployment()
        assert stub.asked[-1].body == {"to_version": "main", "force": True}
        assert control.cancel(ID)["status"] == "cancelled"
        assert control.go_on(ID)["status"] == "in_progress"
        assert control.unlock("api", "production", "seen") == ID
        assert stub.asked[-1].body == {"reason": "seen"}
        assert {asked.headers["Authorization"] for asked in stub.asked} == {f"Bearer {TOKEN}"}


def token() -> dict[str, Any]:
    """Return a token as the views make it."""
    return token_json(Token("tok_1", "ci", Scope.READ, 1, "cli:me", targets=("api/*",)))


def test_tokens_are_asked_for_at_their_routes() -> None:
    def answer(asked: Asked) -> Reply:
        secret = {**token(), "token": "fra_x"}
        path = asked.path.split("?")[0].removeprefix("/api/v1")
        known: dict[tuple[str, str], Any] = {
            ("GET", "/auth/tokens"): {"tokens": [token()]},
            ("POST", "/auth/tokens"): secret,
            ("POST", "/auth/tokens/tok_1/rotate"): secret,
            ("DELETE", "/auth/tokens/tok_1"): token(),
        }
        return Reply(body=known[asked.method, path])

    with serving(answer) as stub:
        control = RemoteControl(Transport(stub.url, TOKEN))
        assert control.tokens() == [token()]
        assert control.create_token("ci", "read", ["api/*"], "1d")["token"] == "fra_x"
        assert stub.asked[-1].body == {
            "name": "ci", "scope": "read", "targets": ["api/*"], "expires_in": "1d",
        }  # fmt: skip
        assert control.rotate_token("tok_1", 30)["token"] == "fra_x"
        assert stub.asked[-1].body == {"overlap": 30}
        assert control.revoke_token("tok_1") == token()
        with pytest.raises(errors.TokenNotFound):
            control.revoke_token("../tok_1")


def test_what_the_client_needs_of_an_answer_is_what_the_views_give() -> None:
    given = {
        "deployment": deployment(), "details": details(), "deployments": deployment(),
        "events": event(1, "log.line"), "plan": plan(), "providers": provider(),
        "targets": status(), "unlocked": {"released": ID}, "queue": queue(), "pause": pause(),
        "fraises": {"name": "api", "environments": [target()]},
        "endpoints": endpoint(), "delivery": delivery(), "deliveries": delivery(),
        "received": received(), "freeze": freeze(), "freezes": freeze(), "audit": audit(),
        "tended": tended(), "token": token(), "tokens": token(),
        "secret": {**token(), "token": "fra_x"},
        "controlled": {"hosts": [tended()], "left": []}, "log": {"hosts": [tended()], "next": "x"},
    }  # fmt: skip
    needed = {**shapes.ONE, **shapes.MANY}
    assert needed.keys() == given.keys()
    for noun, keys in needed.items():
        assert {*keys} <= given[noun].keys(), noun


def test_freezes_and_the_audit_trail_are_those_of_the_server() -> None:
    replies = [Reply(body={"freezes": [freeze()]}), Reply(201, freeze()), Reply(body=freeze()),
               Reply(body={"audit": [audit()]})]  # fmt: skip
    with remote(*replies) as (control, stub):
        assert control.freezes(over=True) == [freeze()]
        assert stub.asked[-1].path == "/api/v1/freezes?limit=1000&all=true"
        wish = FreezeWish("sales", "cli:ana", "api", ends_at=1_000_000)
        assert control.freeze(wish) == freeze()
        until = "1970-01-01T00:00:01.000Z"
        assert stub.asked[-1].body == {"fraise": "api", "reason": "sales", "until": until}
        assert control.unfreeze("frz_1") == freeze()
        assert (stub.asked[-1].method, stub.asked[-1].path) == ("DELETE", "/api/v1/freezes/frz_1")
        assert control.audit(AuditFilter(action="freeze", limit=5)) == [audit()]
        assert stub.asked[-1].path == "/api/v1/audit?action=freeze&limit=5&offset=0"
        with pytest.raises(errors.FreezeNotFound):
            control.unfreeze("../queue/pause")


@pytest.mark.parametrize("kind", sorted(problems.KINDS.values(), key=lambda kind: kind.code))
def test_an_error_of_the_server_is_the_same_error_here(kind: type[errors.FraisierError]) -> None:
    problem = {"code": kind.code, "title": "T", "detail": "what is wrong", "hint": "what to do"}
    error = refused(Reply(409, problem))
    assert type(error) is kind
    assert (error.code, error.message, error.hint) == (kind.code, "what is wrong", "what to do")


def test_an_error_that_this_version_does_not_know_keeps_its_code() -> None:
    error = refused(Reply(418, {"code": "teapot", "title": "I'm a teapot"}))
    assert (error.code, error.message) == ("teapot", "I'm a teapot")


def test_text_of_the_server_does_nothing_to_the_terminal() -> None:
    error = refused(Reply(409, {"code": "refused", "detail": "a\x1b[2Jb", "errors": 5}))
    assert error.message == "a\\x1b[2Jb"


def test_a_plan_without_an_answer_leaves_no_doubt() -> None:
    with (
        remote(Reply(drop=True)) as (control, _),
        pytest.raises(errors.Unreachable, match="is the server up"),
    ):
        control.plan(WISH)


def test_every_field_that_is_wrong_is_told() -> None:
    wrong = [{"path": "version", "message": "too long"}, {"path": "force", "message": "no flag"}]
    error = refused(Reply(422, {"code": "invalid_arguments", "detail": "no", "errors": wrong}))
    assert isinstance(error, errors.UsageError)
    assert error.message == "version: too long\nforce: no flag"


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (Reply(401, "<html>"), errors.Unauthorized, "FRAISIER_TOKEN"),
        (Reply(401, {"code": "unauthorized"}), errors.Unauthorized, "FRAISIER_TOKEN"),
        (Reply(403, ""), errors.Forbidden, "scope"),
        (Reply(500, "<html>"), errors.ServerError, "answered 500"),
        (Reply(503, "busy"), errors.ServerError, "answered 503"),
        (Reply(404, "<html>"), errors.ServerError, "is that its URL"),
        (Reply(200, "<html>hello"), errors.ServerError, "is that its URL"),
        (Reply(200, []), errors.ServerError, "is that its URL"),
        (Reply(200, "[" * 100_000), errors.ServerError, "is that its URL"),
        (Reply(200, {"hello": "world"}), errors.ServerError, "same version"),
        (Reply(200, {"fraises": [{"name": 1}]}), errors.ServerError, "same version"),
        (Reply(302, "", {"Location": "https://x/"}), errors.ServerError, "https://x/"),
        (Reply(drop=True), errors.Unreachable, "is the server up"),
    ],
)
def test_an_answer_that_is_none_is_told_with_a_way_out(
    reply: Reply, kind: type[errors.FraisierError], said: str
) -> None:
    error = refused(reply)
    assert type(error) is kind
    assert said in str(error)


def test_a_status_that_this_version_does_not_know_is_told() -> None:
    with (
        remote(Reply(body={**details(), "status": "melted"})) as (control, _),
        pytest.raises(errors.ServerError, match="same version"),
    ):
        control.deployment(ID)


def test_a_redirect_is_not_followed() -> None:
    with serving(lambda _: Reply(body={"fraises": []})) as other:
        where = {"Location": f"{other.url}/api/v1/fraises"}
        assert type(refused(Reply(307, "", where))) is errors.ServerError
        assert other.asked == []


def test_looking_is_tried_again_while_a_server_starts() -> None:
    with remote(Reply(503), Reply(drop=True), Reply(body={"fraises": []})) as (control, stub):
        assert control.targets() == []
        assert len(stub.asked) == 3


def test_what_the_server_itself_says_for_good_is_not_asked_again() -> None:
    for more, asked in (({}, 1), ({"Retry-After": "2"}, 4)):
        headers = {"Content-Type": "application/problem+json", **more}
        with remote(Reply(503, {"code": "store_failed"}, headers)) as (control, stub):
            with pytest.raises(errors.StoreError):
                control.targets()
            assert len(stub.asked) == asked


def test_a_request_without_an_answer_is_sent_again_with_the_same_key() -> None:
    with remote(Reply(drop=True), Reply(502), Reply(202, deployment())) as (control, stub):
        control.deploy(Wish("api", "production", "cli:me"))
        keys = {asked.headers["Idempotency-Key"] for asked in stub.asked}
        assert len(stub.asked) == 3
        assert len(keys) == 1
        control.deploy(Wish("api", "production", "cli:me"))
        assert stub.asked[-1].headers["Idempotency-Key"] not in keys


def test_what_must_not_be_done_twice_is_sent_once_and_its_doubt_told() -> None:
    with (
        remote(Reply(drop=True)) as (control, stub),
        pytest.raises(errors.Unreachable, match="whether it was done is not known"),
    ):
        control.cancel(ID)
    assert len(stub.asked) == 1


def test_a_server_that_is_not_there_is_told_and_nothing_was_done() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        control = RemoteControl(Transport(f"http://127.0.0.1:{taken.getsockname()[1]}", TOKEN))
        with pytest.raises(errors.Unreachable, match=r"refused\n.*is the server up"):
            control.cancel(ID)


@pytest.mark.parametrize("answers", [b"", b"HTTP/1.0 200 OK\r\n\r\n{"])
def test_a_server_that_does_not_finish_is_given_up(
    monkeypatch: pytest.MonkeyPatch, answers: bytes
) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.2)
    monkeypatch.setattr(transport, "AGAIN_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        control = RemoteControl(Transport(f"http://127.0.0.1:{listening.getsockname()[1]}", TOKEN))

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(answers)
                connection.recv(1 << 16)
                connection.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(errors.Unreachable, match="took too long"):
            control.targets()
        thread.join()


def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST", 1000)
    error = refused(Reply(body="x" * 5000))
    assert isinstance(error, errors.Unreachable)


def test_a_certificate_is_trusted_only_where_somebody_vouches_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *make.split(), *name, *files], check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    with serving(lambda _: Reply(body={"fraises": []}), both) as stub:
        control = RemoteControl(Transport(stub.url, TOKEN))
        with pytest.raises(errors.ServerError, match=r"self.signed[\s\S]*REQUESTS_CA_BUNDLE"):
            control.targets()
        assert stub.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert control.targets() == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x", "x", "https://", "http://user:pw@127.0.0.1", "https://x/?a", "https://x#a",
        "https://a b", "http://fraisier.example.com", "http://10.0.0.1:8000", "https://x:notaport",
    ],
)  # fmt: skip
def test_a_url_that_is_none_or_not_safe_is_refused(url: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        Transport(url, TOKEN)
    assert "pw" not in str(caught.value)


def test_a_proxy_is_never_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with remote(Reply(body={"fraises": []})) as (control, _):
        assert control.targets() == []


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "a b", "%2e", "ä", "-x", "a?b"])
def test_a_name_that_cannot_be_one_is_not_sent(name: str) -> None:
    with remote(Reply()) as (control, stub):
        with pytest.raises(errors.DeploymentNotFound):
            control.deployment(name)
        with pytest.raises(errors.FraiseNotFound):
            control.deployments(Filter(name or "/"))
        with pytest.raises(errors.EnvironmentNotFound):
            control.unlock("api", name, "x")
        assert stub.asked == []


def test_a_target_that_was_never_deployed_cannot_go_back() -> None:
    never = {**status(), "last_deployment": None}
    with (
        remote(Reply(body={"targets": [never]})) as (control, _),
        pytest.raises(errors.Refused, match="no successful deployment"),
    ):
        control.rollback(WISH)


def test_events_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fraisier.cli.client.PAGE", 2)
    pages = [[event(1, "log.line"), event(2, "log.line")], [event(3, "log.line")]]
    with remote(*(Reply(body={"events": page}) for page in pages)) as (control, stub):
        assert [found["sequence"] for found in control.events(ID)] == [1, 2, 3]
        assert [asked.path.split("?")[1] for asked in stub.asked] == [
            "after=0&limit=2", "after=2&limit=2",
        ]  # fmt: skip
